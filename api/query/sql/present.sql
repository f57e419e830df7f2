-- Which person the identities of {person} are now: itself where it still has one, otherwise where most of them went.
SELECT person, person = {person:UInt64} AS same, count() AS identities
FROM {{template "candidate_links" .}}
WHERE identity IN (SELECT t.identity FROM identities AS t WHERE t.identity IN {{template "candidates"}}{{template "seen" .}})
GROUP BY person
ORDER BY same DESC, identities DESC, person
LIMIT 1
