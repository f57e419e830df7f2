{{- /* One row an item of a purchase. */ -}}
{{define "lines" -}}
(SELECT person, account, item, item_category FROM {{template "rows" .}} ARRAY JOIN sku AS item, category AS item_category WHERE kind = 'purchase')
{{- end}}
{{define "asked_items"}}{{if or .ItemSKU .ItemCategory}} WHERE 1{{if .ItemSKU}} AND item = {sku:String}{{end}}{{if .ItemCategory}} AND item_category = {category:String}{{end}}{{end}}{{end}}
