INSERT INTO statements (identity, space, occurred_at, digest, action, key, value, event_id, source, stream_time)
SELECT {{template "identity" "number"}}, 'bench', fromUnixTimestamp64Milli({millis:Int64}, 'UTC'), cityHash64(number), 'hold',
       {{template "key" "number % {persons:UInt64}"}}, {{template "unionid" "number % {persons:UInt64}"}}, concat('fill-', toString(number)), 'login',
       fromUnixTimestamp64Milli({millis:Int64}, 'UTC')
FROM numbers({from:UInt64}, {count:UInt64})
WHERE number < {linked:UInt64}
