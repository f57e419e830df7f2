-- What {person} bought, by account and currency.
SELECT s.appid AS appid, s.currency AS currency, countIf(s.kind = 'purchase') AS orders, sumIf(s.amount, s.kind = 'purchase') AS gross,
       sum(s.amount) AS net, sumIf(arraySum(s.quantity), s.kind = 'purchase') AS items
FROM {{template "source" .}}
WHERE s.identity IN {{template "members" .}}{{template "own" .}}
GROUP BY appid, currency
ORDER BY appid, currency
{{template "settings"}}
