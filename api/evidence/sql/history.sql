-- The last written row of a moment counts, as everywhere.
SELECT identity, learnt, argMax(person, written) AS person, argMax(cause, written) AS cause
FROM persons
WHERE identity IN (SELECT id FROM ids)
GROUP BY identity, learnt
ORDER BY learnt, identity
