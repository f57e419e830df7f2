-- The orders and refunds of {person}, the latest first.
SELECT s.appid AS appid, i.openid AS openid, s.order_id AS order_id, CAST(s.kind, 'String') AS kind, s.refund_id AS refund_id, s.amount AS amount,
       s.currency AS currency, s.occurred_at AS occurred_at, s.revision AS revision, s.event_id AS event_id,
       s.sku AS sku, s.name AS name, s.category AS category, s.quantity AS quantity, s.item_amount AS item_amount,
       s.order_key AS order_key, s.identity AS identity
FROM {{template "source" .}}
LEFT JOIN (SELECT identity, any(openid) AS openid FROM identities WHERE identity IN {{template "members" .}} GROUP BY identity) AS i ON i.identity = s.identity
WHERE s.identity IN {{template "members" .}}{{template "own" .}}
{{- if .After}} AND (toUnixTimestamp64Micro(s.occurred_at), s.order_key, s.identity) < ({after_at:Int64}, {after_key:UInt64}, {after_identity:UInt64}){{end}}
ORDER BY s.occurred_at DESC, s.order_key DESC, s.identity DESC
{{- if .Limit}}
LIMIT {limit:UInt64}{{end}}
{{template "settings"}}
