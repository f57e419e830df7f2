-- How many identities there are, how many are linked, and how many persons they are.
SELECT count() AS identities, countIf(person != identity) AS linked, uniqExact(person) AS persons
FROM {{template "seen_identities" .}}
