-- The identities of {person}.
SELECT appid, openid, min(first_seen) AS first_seen
FROM identities
WHERE identity IN {{template "members" .}}{{template "seen" .}}
GROUP BY appid, openid
ORDER BY appid, openid
