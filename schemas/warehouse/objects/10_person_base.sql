CREATE OR REPLACE DICTIONARY person_base
(
    identity UInt64,
    person   UInt64
)
PRIMARY KEY identity
SOURCE(CLICKHOUSE(DB '{{.Database}}' USER '{{.User}}' PASSWORD '{{.Password}}'
    QUERY 'SELECT identity, argMax(person, (learnt, written)) AS person FROM {{.Database}}.persons GROUP BY identity HAVING person != identity'))
LAYOUT(HASHED_ARRAY())
LIFETIME(0)
COMMENT 'identity to present person, as of the last entry of person_base_loads; only where they differ'
