-- The first and the last moment at which anything occurred: answered from the parts' indexes.
SELECT min(occurred_at) AS first, max(occurred_at) AS last FROM {{if .Log}}purchases_log{{else}}purchases{{end}}
