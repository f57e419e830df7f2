INSERT INTO identities (identity, appid, openid, first_seen)
SELECT {{template "identity" "number"}}, {{template "appid" "number"}}, {{template "openid" "number"}}, fromUnixTimestamp64Milli({millis:Int64}, 'UTC')
FROM numbers({from:UInt64}, {count:UInt64})
