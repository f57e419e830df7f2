-- The identities that hold {key}, and their persons; visible tells which of them the asker may see.
SELECT i.appid AS appid, i.openid AS openid, k.identity AS identity, if(l.person = 0, k.identity, l.person) AS person_of,
       {{template "person_of_id"}} AS person_id, i.identity != 0 AS visible
FROM
(
    SELECT identity
    FROM
    (
{{template "standing" .}} AND s.space = {space:String} AND s.identity IN (SELECT identity FROM key_identities WHERE key = {key:UInt64})
        GROUP BY identity, space
    )
    WHERE notEmpty(holds) AND holds[1].3 = {key:UInt64}
) AS k
LEFT JOIN
(
    SELECT t.identity AS identity, any(t.appid) AS appid, any(t.openid) AS openid FROM identities AS t
    WHERE t.identity IN (SELECT identity FROM key_identities WHERE key = {key:UInt64}){{template "seen" .}}
    GROUP BY identity
) AS i ON i.identity = k.identity
LEFT JOIN
(
    SELECT identity, argMax(person, (learnt, written)) AS person FROM persons
    WHERE identity IN (SELECT identity FROM key_identities WHERE key = {key:UInt64}){{if .Log}} AND learnt <= {{template "as_of"}}{{end}}
    GROUP BY identity
) AS l ON l.identity = k.identity
ORDER BY appid, openid
