-- The keys that more identities hold than a key may join; counted are the identities that are asked for.
SELECT space, value, countIf(asked) AS identities
FROM
(
    SELECT space, holds[1].4 AS value, holds[1].3 AS key, identity IN {{template "asked_identities" .}} AS asked
    FROM
    (
{{template "standing" .}} AND s.identity IN
        (
            SELECT identity FROM key_identities
            WHERE key IN (SELECT key FROM key_identities GROUP BY key HAVING uniqExact(identity) > {max_identities:UInt64})
        )
        GROUP BY identity, space
    )
    WHERE notEmpty(holds)
)
GROUP BY key, space, value
HAVING count() > {max_identities:UInt64} AND identities > 0
ORDER BY identities DESC, space, value
