-- The person of {identity}, if it is known.
SELECT appid, openid, min(t.first_seen) AS first_seen,
       if(any(l.person) = 0, {identity:UInt64}, any(l.person)) AS person_of, {{template "person_of_id"}} AS person_id
FROM identities AS t
LEFT JOIN
(
    SELECT identity, argMax(person, (learnt, written)) AS person
    FROM persons
    WHERE identity = {identity:UInt64}{{if .Log}} AND learnt <= {{template "as_of"}}{{end}}
    GROUP BY identity
) AS l ON l.identity = t.identity
WHERE t.identity = {identity:UInt64}{{template "seen" .}}
GROUP BY appid, openid
