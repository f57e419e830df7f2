-- What the api itself keeps: who exported or undid what, and audiences.

-- ORDER BY at: read backwards from now. PARTITION BY year: kept as long as the law asks.
CREATE TABLE IF NOT EXISTS audit
(
    at     DateTime64(3, 'UTC'),
    actor  String,
    role   LowCardinality(String),
    action LowCardinality(String),
    target String,
    detail String
)
ENGINE = MergeTree
PARTITION BY toYear(at)
ORDER BY at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- A saved question whose answer is a list of persons; evaluated anew each time.
-- ORDER BY name: there are few, looked up by name.
CREATE TABLE IF NOT EXISTS audiences
(
    name       String,
    definition String COMMENT 'the query string of /v1/reports/top-persons',
    owner      String,
    at         DateTime64(3, 'UTC'),
    deleted    UInt8
)
ENGINE = ReplacingMergeTree(at)
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;
