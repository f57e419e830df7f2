-- One currency: the persons whose first purchase, of those that are narrowed to, occurred in the period, by its month, and what they
-- did in that month and each later one. bounds are the beginnings of the months in microseconds.
SELECT cohort, m.1 AS month, count() AS persons, countIf(m.2 > 0) AS buyers, sum(m.2) AS orders, sum(m.3) AS net
FROM
(
    SELECT person, min(first_of) AS first, minIf(month_of, orders_of > 0) AS cohort, groupArray((month_of, orders_of, net_of)) AS months
    FROM
    (
        SELECT person, roundDown(toUnixTimestamp64Micro(occurred_at), {bounds:Array(Int64)}) AS month_of, countIf(kind = 'purchase') AS orders_of,
               sum(amount) AS net_of, minIf(occurred_at, kind = 'purchase') AS first_here, if(orders_of > 0, first_here, toDateTime64('2299-01-01 00:00:00', 6, 'UTC')) AS first_of
        FROM {{template "rows" .}}
        WHERE toUnixTimestamp64Micro(occurred_at) >= {bounds:Array(Int64)}[1]
        GROUP BY person, month_of
    )
    GROUP BY person
    HAVING sum(orders_of) > 0{{if .From}} AND first >= {{template "from"}}{{end}}
)
ARRAY JOIN months AS m
WHERE m.1 >= cohort
GROUP BY cohort, month
ORDER BY cohort, month
{{template "settings"}}
