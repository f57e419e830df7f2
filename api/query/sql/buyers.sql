-- One currency: the money of each account, its buying identities, and how many persons bought in which set of accounts.
-- An identity belongs to one account, so that the money is counted by identity; the sets are counted by person.
SELECT s.account AS account, CAST([], 'Array(UInt64)') AS bought, sum(s.orders_of) AS orders, sum(s.gross_of) AS gross, sum(s.net_of) AS net,
       countIf(s.orders_of > 0) AS identities, countIf(s.orders_of > 0 AND {{template "person" .}} != s.identity) AS linked_identities,
       toUInt64(0) AS persons
FROM
(
    SELECT identity, any(account) AS account, countIf(kind = 'purchase') AS orders_of, sumIf(amount, kind = 'purchase') AS gross_of,
           sum(amount) AS net_of
    FROM {{template "rows" .}}
    GROUP BY identity
) AS s{{template "bind" .}}
GROUP BY account
UNION ALL
SELECT toUInt16(0) AS account, bought, sum(orders_of) AS orders, sum(gross_of) AS gross, sum(net_of) AS net, toUInt64(0) AS identities,
       toUInt64(0) AS linked_identities, count() AS persons
FROM
(
    SELECT person, {{template "bought" .}} AS bought, countIf(kind = 'purchase') AS orders_of,
           sumIf(amount, kind = 'purchase') AS gross_of, sum(amount) AS net_of
    FROM {{template "rows" .}}
    GROUP BY person
)
GROUP BY bought
{{template "settings"}}
