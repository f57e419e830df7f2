{{- /* The rows that every report counts: orders and refunds that were not corrected since, narrowed, with their person. */ -}}

{{define "as_of"}}fromUnixTimestamp64Micro({as_of:Int64}, 'UTC'){{end}}
{{define "from"}}fromUnixTimestamp64Micro({from:Int64}, 'UTC'){{end}}
{{define "to"}}fromUnixTimestamp64Micro({to:Int64}, 'UTC'){{end}}

{{- /* The log is read in the order of its key, backwards, so that the last version of an order comes first and nothing is
       sorted. An order never changes its month: months can be left out before its last version is known. */ -}}
{{define "source" -}}
{{if .Log}}(
        SELECT *
        FROM purchases_log
        WHERE stream_time <= {{template "as_of"}}
        {{- if and .From (not .History)}} AND toYYYYMM(occurred_at) >= toYYYYMM({{template "from"}}){{end}}
        {{- if .To}} AND toYYYYMM(occurred_at) <= toYYYYMM({{template "to"}}){{end}}
        {{- if .Member}} AND identity IN {{template "members" .}}{{end}}
        {{- if .Leaders}} AND identity IN {{template "led"}}{{end}}
        ORDER BY identity DESC, order_key DESC, version DESC
        LIMIT 1 BY identity, order_key, toYYYYMM(occurred_at)
    ) AS s{{else}}purchases AS s FINAL{{end}}
{{- end}}

{{define "links" -}}
(SELECT identity, argMax(person, (learnt, written)) AS person FROM persons {{if .Log}}WHERE learnt <= {{template "as_of"}} {{end}}GROUP BY identity)
{{- end}}

{{define "bind" -}}
{{if .Log}}
    LEFT JOIN {{template "links" .}} AS l ON l.identity = s.identity{{end}}
{{- end}}

{{define "person" -}}
{{if .Log}}if(l.person = 0, s.identity, l.person)
{{- else}}dictGetOrDefault('person_recent', 'person', s.identity, dictGetOrDefault('person_base', 'person', s.identity, s.identity))
{{- end}}
{{- end}}

{{define "narrow"}}
        {{- if and .From (not .History)}} AND s.occurred_at >= {{template "from"}}{{end}}
        {{- if .To}} AND s.occurred_at < {{template "to"}}{{end}}
        {{- if and .Category .SKU}} AND arrayExists((a, b) -> a = {sku:String} AND b = {category:String}, s.sku, s.category)
        {{- else if .Category}} AND has(s.category, {category:String})
        {{- else if .SKU}} AND has(s.sku, {sku:String}){{end}}
        {{- if .MinAmount}} AND abs(s.amount) >= {min_amount:Int64}{{end}}
        {{- if .MaxAmount}} AND abs(s.amount) <= {max_amount:Int64}{{end}}
        {{- if .Linked}} AND {{template "person" .}} != s.identity{{end}}
        {{- if .Unlinked}} AND {{template "person" .}} = s.identity{{end}}
        {{- if .Leaders}} AND s.identity IN {{template "led"}} AND {{template "person" .}} IN {leaders:Array(UInt64)}{{end}}
        {{- if .ByFirst}} AND {{template "person" .}} IN {{template "firsts" .}}{{end}}
{{- end}}

{{- /* Every identity that may be of {leaders}: few enough to be read by key. */ -}}
{{define "led" -}}
(SELECT identity FROM person_identities WHERE person IN {leaders:Array(UInt64)} UNION ALL SELECT arrayJoin({leaders:Array(UInt64)}))
{{- end}}

{{- /* Persons by their very first purchase, in any account that the asker may see and in any currency. */ -}}
{{define "firsts" -}}
(
            SELECT {{template "person" .}} AS first_person
            FROM {{template "source" .Whole}}{{template "bind" .}}
            WHERE s.kind = 'purchase'{{if .Allowed}} AND s.appid IN {allowed:Array(String)}{{end}}
            GROUP BY first_person
            HAVING 1
            {{- if and .New .From}} AND min(s.occurred_at) >= {{template "from"}}{{end}}
            {{- if and .New .To}} AND min(s.occurred_at) < {{template "to"}}{{end}}
            {{- if .Returning}} AND {{if .From}}min(s.occurred_at) < {{template "from"}}{{else}}0{{end}}{{end}}
            {{- if .FirstAccount}} AND argMin(s.appid, (s.occurred_at, s.appid)) = {first_account:String}{{end}}
        )
{{- end}}

{{- /* account is the number of the account in {accounts}, from 1. */ -}}
{{define "account"}}transform(s.appid, {accounts:Array(String)}, {numbers:Array(UInt16)}, toUInt16(0)){{end}}

{{define "rows" -}}
(
    SELECT {{template "person" .}} AS person, s.identity AS identity, s.order_key AS order_key, {{template "account"}} AS account,
           s.appid AS appid, s.order_id AS order_id, s.kind AS kind, s.amount AS amount, s.occurred_at AS occurred_at,
           s.sku AS sku, s.category AS category
    FROM {{template "source" .}}{{template "bind" .}}
    WHERE s.currency = {currency:String} AND s.appid IN {accounts:Array(String)}{{template "narrow" .}}
)
{{- end}}

{{- /* The set of accounts in which a person bought, as bits: account n is bit n-1, in words of 64. */ -}}
{{define "bought" -}}
[{{range $i, $w := .Words}}{{if $i}}, {{end}}groupBitOrIf(transform(account, {numbers:Array(UInt16)}, {bits_{{$w}}:Array(UInt64)}, toUInt64(0)), kind = 'purchase'){{end}}]
{{- end}}

{{- /* One statement, one snapshot; FINAL within a month only, since an order never changes its month. */ -}}
{{define "settings"}}SETTINGS do_not_merge_across_partitions_select_final = 1, defer_partition_pruning_after_final = 0, enable_shared_storage_snapshot_in_query = 1{{end}}
{{define "person_id"}}concat('p_', lpad(lower(hex(person)), 16, '0')){{end}}
