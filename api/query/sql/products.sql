-- One currency: what the buyers of an item in one account buy in another.
SELECT a.account AS from_account, a.item AS sku, b.account AS to_account, b.item AS to_sku, count() AS buyers
FROM (SELECT DISTINCT person, account, item FROM {{template "lines" .}}{{template "asked_items" .}}) AS a
INNER JOIN
(
    SELECT DISTINCT person, account, item FROM {{template "lines" .}}
    {{- if or .ItemSKU .ItemCategory}} WHERE person IN (SELECT person FROM {{template "lines" .}}{{template "asked_items" .}}){{end}}
) AS b ON b.person = a.person
WHERE a.account != b.account
GROUP BY from_account, sku, to_account, to_sku
ORDER BY buyers DESC, from_account, sku, to_account, to_sku
{{- if .Limit}}
LIMIT {limit:UInt64}{{end}}
{{template "settings"}}
