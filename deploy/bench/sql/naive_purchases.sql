INSERT INTO naive_purchases
SELECT p.appid, i.openid, p.order_id, p.refund_id, p.kind, p.amount, p.currency, p.occurred_at, p.sku, p.category, p.identity, p.order_key
FROM purchases AS p
INNER JOIN identities AS i ON i.identity = p.identity
WHERE toYYYYMM(p.occurred_at) = {month:UInt32}
