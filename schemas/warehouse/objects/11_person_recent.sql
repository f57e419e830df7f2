CREATE OR REPLACE DICTIONARY person_recent
(
    identity UInt64,
    person   UInt64
)
PRIMARY KEY identity
SOURCE(CLICKHOUSE(DB '{{.Database}}' USER '{{.User}}' PASSWORD '{{.Password}}'
    QUERY 'SELECT identity, argMax(person, (learnt, written)) AS person FROM {{.Database}}.persons_recent WHERE written >= (SELECT max(through) FROM {{.Database}}.person_base_loads) GROUP BY identity'))
LAYOUT(HASHED())
LIFETIME(0)
COMMENT 'identity to present person where it was written since person_base was loaded; asked first'
