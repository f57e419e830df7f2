-- The identities in one account of the persons in ids, as of a stream time.
WITH candidates AS
(
    SELECT identity FROM person_identities WHERE person IN (SELECT id FROM ids)
    UNION DISTINCT
    SELECT id AS identity FROM ids
)
SELECT i.openid AS openid, l.person_of AS person_of
FROM
(
    -- An identity without a row is its own person.
    SELECT c.identity AS identity, if(p.found = 0, c.identity, p.last) AS person_of
    FROM candidates AS c
    LEFT JOIN
    (
        SELECT identity, argMax(person, (learnt, written)) AS last, 1 AS found
        FROM persons
        WHERE learnt <= {as_of:DateTime64(3, 'UTC')} AND identity IN (SELECT identity FROM candidates)
        GROUP BY identity
    ) AS p ON p.identity = c.identity
) AS l
INNER JOIN
(
    SELECT identity, openid FROM identities FINAL
    WHERE appid = {appid:String} AND identity IN (SELECT identity FROM candidates)
) AS i ON i.identity = l.identity
WHERE l.person_of IN (SELECT id FROM ids)
ORDER BY person_of, openid
