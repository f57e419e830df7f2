CREATE OR REPLACE VIEW v_purchases AS
SELECT concat('p_', lpad(lower(hex(dictGetOrDefault('{{.Database}}.person_recent', 'person', identity,
           dictGetOrDefault('{{.Database}}.person_base', 'person', identity, identity)))), 16, '0')) AS person_id,
       appid, order_id, kind, refund_id, amount, currency, occurred_at, revision, event_id, identity,
       sku, name, category, quantity, item_amount, stream_time
FROM purchases FINAL
COMMENT 'one row an order or refund, corrected; amount is signed, in minor units'
