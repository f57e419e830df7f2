INSERT INTO person_identities (person, identity)
SELECT {{template "key" "number % {persons:UInt64}"}}, {{template "identity" "number"}}
FROM numbers({from:UInt64}, {count:UInt64})
WHERE number < {linked:UInt64}
