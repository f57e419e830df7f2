{{- /* Every identity that is asked for, with its person. */ -}}
{{define "asked_identities" -}}
(SELECT t.identity AS identity FROM identities AS t WHERE 1{{template "seen" .}}{{if .Selected}} AND t.appid IN {selected:Array(String)}{{end}} GROUP BY identity)
{{- end}}
{{define "seen_identities" -}}
(
    SELECT s.identity AS identity, {{template "person" .}} AS person
    FROM {{template "asked_identities" .}} AS s{{template "bind" .}}
)
{{- end}}
