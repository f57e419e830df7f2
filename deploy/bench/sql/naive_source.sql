{{- /* Stands in a report for its source, with a column "bound" that is the person by the join of strings. The unionid is
       hashed, so that the report's answer is the same; that is to the naive way's advantage. */ -}}
(
    SELECT p.appid AS appid, p.order_id AS order_id, p.kind AS kind, p.amount AS amount, p.currency AS currency, p.occurred_at AS occurred_at,
           p.sku AS sku, p.category AS category, p.identity AS identity, p.order_key AS order_key,
           if(n.unionid = '', p.identity, xxHash64(concat(unhex('00000010'), 'unionlink.key.v1', unhex('00000005'), 'bench', unhex('0000001C'), n.unionid))) AS bound
    FROM naive_purchases AS p FINAL
    LEFT JOIN (SELECT appid, openid, argMax(unionid, at) AS unionid FROM naive_links GROUP BY appid, openid) AS n
        ON n.appid = p.appid AND n.openid = p.openid
) AS s
