-- Persons: derived from the facts by the linking rule, and from nothing else.

-- From which moment of the stream on an identity belongs to which person. The last row
-- of an identity is its present person; the rows before are its history, so that answers
-- can be given as of then. ORDER BY (identity, learnt): looked up by identity. An identity
-- without a row is its own person. written is the ClickHouse clock in nanoseconds, taken
-- after the writer's facts were stored and before it read its neighbourhood: the row with
-- the greater one was computed from at least the facts of the other.
CREATE TABLE IF NOT EXISTS persons
(
    identity UInt64,
    learnt   DateTime64(3, 'UTC') COMMENT 'stream time of the fact that moved it',
    person   UInt64,
    cause    String COMMENT 'event_id of that fact',
    written  UInt64
)
ENGINE = ReplacingMergeTree(written)
ORDER BY (identity, learnt)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- Which identities ever belonged to a person. ORDER BY (person, identity): the way back.
-- This and persons_recent are written before persons, by the linker and not by views: a
-- view that does not succeed after persons did would leave them behind for good, since
-- the next try finds persons as it should be and writes nothing.
CREATE TABLE IF NOT EXISTS person_identities
(
    person   UInt64,
    identity UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (person, identity)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- The latest rows of persons once more. ORDER BY written: what came since the large
-- dictionary was loaded is read without touching the rest.
CREATE TABLE IF NOT EXISTS persons_recent
(
    written  UInt64,
    identity UInt64,
    learnt   DateTime64(3, 'UTC'),
    person   UInt64
)
ENGINE = MergeTree
ORDER BY written
TTL toDateTime(intDiv(written, 1000000000)) + INTERVAL 7 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- How far the large dictionary reaches: rows of persons written after through are in the
-- small one. ORDER BY through: its greatest is asked for.
CREATE TABLE IF NOT EXISTS person_base_loads
(
    through UInt64
)
ENGINE = MergeTree
ORDER BY through
TTL toDateTime(intDiv(through, 1000000000)) + INTERVAL 30 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- The ledger of erasures. ORDER BY identity first: asked for the identities of each batch.
-- Facts of the identity up to occurred_at are void, however late they come.
CREATE TABLE IF NOT EXISTS erasures
(
    identity    UInt64,
    occurred_at DateTime64(6, 'UTC'),
    digest      UInt64,
    event_id    String,
    stream_time DateTime64(3, 'UTC'),
    earlier     UInt64 MATERIALIZED toUInt64(4398046511103 - toUnixTimestamp64Milli(stream_time))
)
ENGINE = ReplacingMergeTree(earlier)
ORDER BY (identity, occurred_at, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- Messages of erased identities that are still to be overwritten in the stream, which
-- happens once they are acknowledged. ORDER BY as messages.
CREATE TABLE IF NOT EXISTS overwrites
(
    epoch    UInt64,
    seq      UInt64,
    identity UInt64,
    done     UInt8
)
ENGINE = ReplacingMergeTree(done)
ORDER BY (epoch, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- How far the stream is counted: all events up to the stream time through are in the
-- tables. One row, replaced by the latest.
CREATE TABLE IF NOT EXISTS progress
(
    at        DateTime64(3, 'UTC'),
    through   DateTime64(3, 'UTC'),
    pending   UInt64 COMMENT 'messages not yet counted',
    dead      UInt64 COMMENT 'dead letters waiting'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY tuple()
SETTINGS fsync_after_insert = 0;
