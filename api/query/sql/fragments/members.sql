{{- /* Look-ups read the links of the few identities in question from their table: that is exact at once, where a
       dictionary is as of its last load. */ -}}

{{- /* Every identity that ever was of {person}; an identity is its own person before it is linked. */ -}}
{{define "candidates" -}}
(SELECT identity FROM person_identities WHERE person = {person:UInt64} UNION DISTINCT SELECT {person:UInt64} AS identity)
{{- end}}

{{define "candidate_links" -}}
(
        SELECT c.identity AS identity, if(l.person = 0, c.identity, l.person) AS person
        FROM {{template "candidates"}} AS c
        LEFT JOIN
        (
            SELECT identity, argMax(person, (learnt, written)) AS person
            FROM persons
            WHERE identity IN {{template "candidates"}}{{if .Log}} AND learnt <= {{template "as_of"}}{{end}}
            GROUP BY identity
        ) AS l ON l.identity = c.identity
    )
{{- end}}

{{- /* The identities of {person}, those of other accounts too. */ -}}
{{define "members"}}(SELECT identity FROM {{template "candidate_links" .}} WHERE person = {person:UInt64}){{end}}

{{- /* Which rows of "identities AS t" the asker may see. */ -}}
{{define "may_see"}}{{if .Allowed}} AND t.appid IN {allowed:Array(String)}{{end}}{{end}}
{{define "seen"}}{{if .Log}} AND t.first_seen <= {{template "as_of"}}{{end}}{{template "may_see" .}}{{end}}
{{define "stated"}}{{if .Log}} AND stream_time <= {{template "as_of"}}{{end}}{{end}}

{{- /* The identities of {person} that the asker may see. */ -}}
{{define "seen_members" -}}
(SELECT t.identity FROM identities AS t WHERE t.identity IN {{template "members" .}}{{template "seen" .}})
{{- end}}

{{- /* What an identity holds in a space: the statements (occurred_at, digest, key, value) that no unlink and no erasure voids, the one
       that counts first. Whoever uses it adds which identities, and GROUP BY identity, space. See package schemas/identity. */ -}}
{{define "standing" -}}
        SELECT s.identity AS identity, s.space AS space, maxIf(s.occurred_at, s.action = 'unlink') AS void, max(e.erased) AS erasure,
               arrayReverseSort(arrayFilter(h -> h.1 > void AND h.1 > erasure,
                   groupArrayIf((s.occurred_at, s.digest, s.key, s.value), s.action = 'hold'))) AS holds
        FROM statements AS s
        LEFT JOIN (SELECT identity, max(occurred_at) AS erased FROM erasures WHERE 1{{template "stated" .}} GROUP BY identity) AS e ON e.identity = s.identity
        WHERE s.action != 'edge'{{if .Log}} AND s.stream_time <= {{template "as_of"}}{{end}}
{{- end}}

{{- /* A person's own rows, narrowed by what narrows rows, not by what narrows persons. */ -}}
{{define "own"}}
    {{- if .Selected}} AND s.appid IN {selected:Array(String)}{{end}}
    {{- if .Currency}} AND s.currency = {currency:String}{{end}}
    {{- template "narrow" .}}
{{- end}}

{{define "person_of_id"}}concat('p_', lpad(lower(hex(person_of)), 16, '0')){{end}}
