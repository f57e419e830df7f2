-- What one would build first: purchases as they come, by the names of account and user, and a table of who holds which
-- unionid, joined when a question is asked.
CREATE TABLE naive_purchases
(
    appid       LowCardinality(String),
    openid      String,
    order_id    String,
    refund_id   String,
    kind        Enum8('purchase' = 1, 'refund' = 2),
    amount      Int64,
    currency    LowCardinality(String),
    occurred_at DateTime64(6, 'UTC'),
    sku         Array(String),
    category    Array(String),
    identity    UInt64,
    order_key   UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (appid, openid, order_id, refund_id)
SETTINGS fsync_after_insert = 0;

CREATE TABLE naive_links
(
    appid   LowCardinality(String),
    openid  String,
    unionid String,
    at      DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (appid, openid)
SETTINGS fsync_after_insert = 0
