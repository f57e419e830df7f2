INSERT INTO persons (identity, learnt, person, cause, written)
SELECT {{template "identity" "number"}}, fromUnixTimestamp64Milli({millis:Int64}, 'UTC'), {{template "key" "number % {persons:UInt64}"}},
       concat('fill-', toString(number)), toUInt64({written:UInt64})
FROM numbers({from:UInt64}, {count:UInt64})
WHERE number < {linked:UInt64}
