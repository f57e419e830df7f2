-- One currency: buyers by segment. days is the sum of the whole days since their last orders.
SELECT segment, count() AS persons, sum(orders_of) AS orders, sum(net_of) AS net,
       sum(intDiv({reference:Int64} - last_order, 86400000000)) AS days
FROM
(
    SELECT {{template "segment"}} AS segment, orders AS orders_of, net AS net_of, last_order
    FROM {{template "spenders" .}}
    WHERE orders > 0
)
GROUP BY segment
{{template "settings"}}
