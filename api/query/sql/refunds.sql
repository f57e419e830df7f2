-- One currency: orders and refunds of each account, and how long refunds took since their orders, whenever those occurred.
SELECT account, countIf(kind = 'purchase') AS orders, countIf(kind = 'refund') AS refunds_count, sumIf(amount, kind = 'purchase') AS gross,
       sum(amount) AS net, any(w.matched) AS matched, any(w.wait) AS wait
FROM {{template "rows" .}} AS r
LEFT JOIN
(
    SELECT b.appid AS appid, count() AS matched,
           quantileExact(0.5)(toUnixTimestamp64Micro(b.occurred_at) - toUnixTimestamp64Micro(o.ordered_at)) AS wait
    FROM {{template "rows" .}} AS b
    INNER JOIN
    (
        SELECT s.appid AS appid, s.order_id AS order_id, min(s.occurred_at) AS ordered_at
        FROM {{template "source" .Whole}}
        WHERE s.kind = 'purchase' AND s.appid IN {accounts:Array(String)}
          AND s.order_id IN (SELECT order_id FROM {{template "rows" .}} WHERE kind = 'refund')
        GROUP BY appid, order_id
    ) AS o ON o.appid = b.appid AND o.order_id = b.order_id
    WHERE b.kind = 'refund'
    GROUP BY appid
) AS w ON w.appid = r.appid
GROUP BY account
ORDER BY account
{{template "settings"}}
