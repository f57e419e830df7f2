{{- /* One currency: persons with what they bought. */ -}}
{{define "spenders" -}}
(
    SELECT person, {{template "bought" .}} AS bought, countIf(kind = 'purchase') AS orders, sumIf(amount, kind = 'purchase') AS gross,
           sum(amount) AS net, maxIf(toUnixTimestamp64Micro(occurred_at), kind = 'purchase') AS last_order
    FROM {{template "rows" .}}
    GROUP BY person
    HAVING 1
    {{- if .Exact}} AND orders > 0 AND bought = {exact:Array(UInt64)}{{end}}
    {{- if .Segment}} AND orders > 0 AND {{template "segment"}} = {segment:String}{{end}}
    {{- if .After}} AND (net < {after_net:Int64} OR net = {after_net:Int64} AND person > {after_key:UInt64}){{end}}
)
{{- end}}

{{- /* Scores 1 to 5 by the quintiles of the last order, of the orders and of the net, and the segment by the first two. */ -}}
{{define "recency"}}(1 + arrayCount(t -> last_order > t, {recency:Array(Int64)})){{end}}
{{define "frequency"}}(1 + arrayCount(t -> toInt64(orders) > t, {frequency:Array(Int64)})){{end}}
{{define "segment" -}}
transform(toUInt8(10 * {{template "recency"}} + {{template "frequency"}}), {grid:Array(UInt8)}, {segments:Array(String)}, '')
{{- end}}
