-- Each field of the profile of {person}, last stated by any of its identities.
SELECT field, argMax(value, (occurred_at, digest)) AS value
FROM profiles
WHERE identity IN {{template "seen_members" .}}{{template "stated" .}}
GROUP BY field
