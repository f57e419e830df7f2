-- Order number n is by a random identity; each 32nd row refunds half of the order before it. Amounts are 1 to 300 yuan,
-- spread over a year of 365 days of 86,400 s; one to three items of 200.
INSERT INTO purchases (identity, order_key, appid, order_id, refund_id, kind, amount, currency, occurred_at, revision, digest, event_id,
    sku, name, category, quantity, item_amount, stream_time)
SELECT {{template "identity" "who"}}, sipHash64(number), {{template "appid" "who"}}, concat('A-', toString(nth)), if(refund, concat('R-', toString(nth)), ''),
       if(refund, 'refund', 'purchase'), if(refund, -intDiv(price, 2), price), 'CNY',
       fromUnixTimestamp64Milli({millis:Int64} + 1000 * toInt64(sipHash64({seed:UInt64}, 'at', nth) % 31536000), 'UTC'),
       0, sipHash64(number, 'digest'), concat('fill-', toString(number)),
       arrayMap(i -> concat('sku-', toString(items[i])), range(1, 2 + sipHash64(nth, 'items') % 3)) AS sku, sku,
       arrayMap(i -> concat('category-', toString(items[i] % 10)), range(1, 2 + sipHash64(nth, 'items') % 3)),
       arrayMap(i -> toInt64(1), sku), arrayMap(i -> toInt64(price), sku), fromUnixTimestamp64Milli({millis:Int64}, 'UTC')
FROM
(
    SELECT number, number % 32 = 31 AS refund, number - (number % 32 = 31) AS nth, sipHash64({seed:UInt64}, 'who', nth) % {identities:UInt64} AS who,
           100 + toInt64(sipHash64({seed:UInt64}, 'price', nth) % 29900) AS price,
           arrayMap(i -> sipHash64({seed:UInt64}, i, nth) % 200, [1, 2, 3]) AS items
    FROM numbers({from:UInt64}, {count:UInt64})
)
