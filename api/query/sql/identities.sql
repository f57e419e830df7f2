-- The identities of {person}.
SELECT appid, openid, min(t.first_seen) AS first_seen
FROM identities AS t
WHERE t.identity IN {{template "members" .}}{{template "seen" .}}
GROUP BY appid, openid
ORDER BY appid, openid
