-- The persons with the most identities.
SELECT {{template "person_id"}} AS person_id, count() AS identities
FROM {{template "seen_identities" .}}
GROUP BY person
HAVING identities > 1
ORDER BY identities DESC, person
LIMIT {top:UInt64}
