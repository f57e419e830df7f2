-- One currency: money and buyers of each interval. bounds are the beginnings of the intervals in microseconds, made by the
-- calendar of the asker's time zone; a person counts once in an interval, however often it bought.
SELECT start, {{if .ByAccount}}account{{else}}toUInt16(0) AS account{{end}}, sum(orders_of) AS orders, sum(gross_of) AS gross, sum(net_of) AS net,
       countIf(orders_of > 0) AS buyers
FROM
(
    SELECT roundDown(toUnixTimestamp64Micro(occurred_at), {bounds:Array(Int64)}) AS start, {{if .ByAccount}}account, {{end}}person,
           countIf(kind = 'purchase') AS orders_of, sumIf(amount, kind = 'purchase') AS gross_of, sum(amount) AS net_of
    FROM {{template "rows" .}}
    GROUP BY start, {{if .ByAccount}}account, {{end}}person
)
GROUP BY start, account
ORDER BY account, start
{{template "settings"}}
