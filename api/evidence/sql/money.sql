-- What identities bought and were refunded, over all time.
SELECT toString(appid) AS app, toString(currency) AS cur, countIf(kind = 'purchase') AS orders, sum(amount) AS net
FROM purchases FINAL
WHERE identity IN (SELECT id FROM ids)
GROUP BY app, cur
ORDER BY app, cur
SETTINGS do_not_merge_across_partitions_select_final = 1
