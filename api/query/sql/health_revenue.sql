-- One currency: the net, and what of it nothing links to a person.
SELECT sum(amount) AS net, sumIf(amount, person = identity) AS unlinked, count() AS rows
FROM {{template "rows" .}}
{{template "settings"}}
