-- One currency: the quintiles of all buyers, which cut the scores.
SELECT quantilesExact(0.2, 0.4, 0.6, 0.8)(last_order) AS recency, quantilesExact(0.2, 0.4, 0.6, 0.8)(toInt64(orders)) AS frequency
FROM {{template "spenders" .}}
WHERE orders > 0
{{template "settings"}}
