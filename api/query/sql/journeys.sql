-- One currency: in which account persons bought first, in which other one next, and how long that took. Only persons whose
-- first purchase occurred in the period; to_account is 0 where they bought in no other one.
SELECT visits[1].2 AS from_account, if(length(visits) > 1, visits[2].2, 0) AS to_account, count() AS persons,
       quantileExact(0.5)(if(length(visits) > 1, visits[2].1 - visits[1].1, 0)) AS wait, sum(net_of) AS net
FROM
(
    SELECT person, arraySort(groupArrayIf((first, account), orders_of > 0)) AS visits, sum(net_here) AS net_of
    FROM
    (
        SELECT person, account, countIf(kind = 'purchase') AS orders_of, sum(amount) AS net_here,
               minIf(toUnixTimestamp64Micro(occurred_at), kind = 'purchase') AS first
        FROM {{template "rows" .}}
        GROUP BY person, account
    )
    GROUP BY person
    HAVING notEmpty(visits){{if .From}} AND visits[1].1 >= {from:Int64}{{end}}
)
GROUP BY from_account, to_account
ORDER BY persons DESC, from_account, to_account
{{template "settings"}}
