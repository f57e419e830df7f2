-- One currency: a page of persons by net, as top_persons, but nothing of them except the net: summing is half the work.
SELECT person, sum(amount) AS net
FROM {{template "rows" .}}
GROUP BY person
{{- if .After}}
HAVING net < {after_net:Int64} OR net = {after_net:Int64} AND person > {after_key:UInt64}{{end}}
ORDER BY net DESC, person
LIMIT {limit:UInt64}
{{template "settings"}}
