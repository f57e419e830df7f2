INSERT INTO naive_links
SELECT {{template "appid" "number"}}, {{template "openid" "number"}}, {{template "unionid" "number % {persons:UInt64}"}}, fromUnixTimestamp64Milli({millis:Int64}, 'UTC')
FROM numbers({from:UInt64}, {count:UInt64})
WHERE number < {linked:UInt64}
