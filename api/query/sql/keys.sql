-- The keys that the identities of {person} hold.
SELECT space, holds[1].4 AS value
FROM
(
{{template "standing" .}} AND s.identity IN {{template "seen_members" .}}
    GROUP BY identity, space
)
WHERE notEmpty(holds)
GROUP BY space, value
ORDER BY space, value
