-- One currency: persons by net, greatest first, then by id, so that a page begins where the one before ended.
SELECT {{template "person_id"}} AS person_id, net, orders, gross, arraySum(arrayMap(w -> bitCount(w), bought)) AS accounts, last_order
FROM {{template "spenders" .}}
ORDER BY net DESC, person
{{- if .Limit}}
LIMIT {limit:UInt64}{{end}}
{{template "settings"}}
