-- Facts: what publishers said, keyed so that saying it again changes nothing.
-- None of them carries a person: the person is bound when a question is asked.

-- One row an order or refund. ORDER BY (identity, order_key): a person's orders lie
-- together, and FINAL, which replaces by this key, costs little on merged parts.
-- PARTITION BY month: reports read the months they ask for; months that are over are
-- merged to one part, over which FINAL has nothing to do.
-- version: the higher revision wins, then the greater digest, then the earlier stream
-- time, so that a repeated event is known since it was first learnt. Its high 22 bits are
-- the revision, then 64 of the digest, then 42 of the milliseconds to the year 2109.
CREATE TABLE IF NOT EXISTS purchases
(
    identity    UInt64,
    order_key   UInt64,
    appid       LowCardinality(String),
    order_id    String,
    refund_id   String,
    kind        Enum8('purchase' = 1, 'refund' = 2),
    amount      Int64 COMMENT 'minor units; a refund is negative',
    currency    LowCardinality(String),
    occurred_at DateTime64(6, 'UTC'),
    revision    UInt32,
    digest      UInt64,
    event_id    String,
    sku         Array(String),
    name        Array(String),
    category    Array(String),
    quantity    Array(Int64),
    item_amount Array(Int64),
    stream_time DateTime64(3, 'UTC'),
    version     UInt128 MATERIALIZED bitOr(bitShiftLeft(toUInt128(revision), 106), bitOr(bitShiftLeft(toUInt128(digest), 42),
                toUInt128(4398046511103 - toUnixTimestamp64Milli(stream_time))))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (identity, order_key)
SETTINGS min_age_to_force_merge_seconds = 600, min_age_to_force_merge_on_partition_only = 1,
         fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- Every version of every order, for answers as of a past moment. ORDER BY as purchases,
-- then version: a repeated version is one row. PARTITION BY month, as purchases.
CREATE TABLE IF NOT EXISTS purchases_log
(
    identity    UInt64,
    order_key   UInt64,
    appid       LowCardinality(String),
    order_id    String,
    refund_id   String,
    kind        Enum8('purchase' = 1, 'refund' = 2),
    amount      Int64,
    currency    LowCardinality(String),
    occurred_at DateTime64(6, 'UTC'),
    revision    UInt32,
    digest      UInt64,
    event_id    String,
    sku         Array(String),
    name        Array(String),
    category    Array(String),
    quantity    Array(Int64),
    item_amount Array(Int64),
    stream_time DateTime64(3, 'UTC'),
    version     UInt128
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (identity, order_key, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS purchases_to_log TO purchases_log AS
SELECT identity, order_key, appid, order_id, refund_id, kind, amount, currency, occurred_at, revision, digest, event_id,
       sku, name, category, quantity, item_amount, stream_time, version
FROM purchases;

-- The evidence of every link: who stated it, when it happened, when it was learnt.
-- ORDER BY identity first: settling and explaining read one identity's statements;
-- then what makes a statement the same one again. earlier makes the first telling of a
-- repeated statement the one that stays. Not partitioned: it is read by key, never by time.
-- action: hold a key; unlink, which voids the space up to occurred_at; edge, one end of a
-- migrate, whose key is the same at both ends.
CREATE TABLE IF NOT EXISTS statements
(
    identity    UInt64,
    space       LowCardinality(String),
    occurred_at DateTime64(6, 'UTC'),
    digest      UInt64,
    action      Enum8('hold' = 1, 'unlink' = 2, 'edge' = 3),
    key         UInt64,
    value       String,
    event_id    String,
    source      LowCardinality(String),
    stream_time DateTime64(3, 'UTC'),
    earlier     UInt64 MATERIALIZED toUInt64(4398046511103 - toUnixTimestamp64Milli(stream_time))
)
ENGINE = ReplacingMergeTree(earlier)
ORDER BY (identity, space, occurred_at, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- Which identities ever stated a key. ORDER BY (key, identity): the way from a key to its identities.
CREATE TABLE IF NOT EXISTS key_identities
(
    key      UInt64,
    identity UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (key, identity)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS statements_to_keys TO key_identities AS
SELECT key, identity FROM statements WHERE action != 'unlink';

-- What an identity's hash stands for, since when it is known, and when it last did anything.
-- ORDER BY identity: looked up by it. Rows of an identity become one with the least
-- first_seen and the greatest occurred_at, which repeated events do not change. An erasure takes
-- the name away where nothing happened after it.
CREATE TABLE IF NOT EXISTS identities
(
    identity    UInt64,
    appid       LowCardinality(String),
    openid      String,
    first_seen  SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'stream time',
    occurred_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (identity, appid, openid)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- Nickname and avatar as stated; the greatest (occurred_at, digest) of a field counts.
-- ORDER BY identity first: read for a person's identities.
CREATE TABLE IF NOT EXISTS profiles
(
    identity    UInt64,
    field       LowCardinality(String),
    occurred_at DateTime64(6, 'UTC'),
    digest      UInt64,
    value       String,
    stream_time DateTime64(3, 'UTC'),
    earlier     UInt64 MATERIALIZED toUInt64(4398046511103 - toUnixTimestamp64Milli(stream_time))
)
ENGINE = ReplacingMergeTree(earlier)
ORDER BY (identity, field, occurred_at, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- What became of every message of the stream: the ledger behind unionlink_conservation_gap,
-- and the way from an identity to its messages when it is erased. epoch is the stream's
-- creation time in seconds, since a stream that is made anew counts from 1 again.
-- ORDER BY (epoch, seq): checked in ranges of the stream.
CREATE TABLE IF NOT EXISTS messages
(
    epoch       UInt64,
    seq         UInt64,
    identity    UInt64,
    outcome     Enum8('counted' = 1, 'snapshot' = 2, 'erased' = 3, 'dead-letter' = 4),
    stream_time DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (epoch, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;
