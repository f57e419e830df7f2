SELECT identity, toString(appid), openid, first_seen
FROM identities FINAL
WHERE identity IN (SELECT id FROM ids)
