-- Which accounts and currencies there are to ask about. It may name some that have no row in the end.
SELECT s.currency AS currency, groupUniqArray(s.appid) AS appids
FROM {{if .Log}}purchases_log{{else}}purchases{{end}} AS s
WHERE 1
{{- if .Selected}} AND s.appid IN {selected:Array(String)}{{end}}
{{- if .Currency}} AND s.currency = {currency:String}{{end}}
{{- if and .From (not .History)}} AND s.occurred_at >= {{template "from"}}{{end}}
{{- if .To}} AND s.occurred_at < {{template "to"}}{{end}}
GROUP BY currency
{{- if .After}}
HAVING currency >= {after_currency:String}{{end}}
ORDER BY currency
{{template "settings"}}
