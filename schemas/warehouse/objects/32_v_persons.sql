CREATE OR REPLACE VIEW v_persons AS
SELECT person_id, count() AS identities, groupUniqArray(appid) AS appids, min(first_seen) AS first_seen
FROM v_identities
GROUP BY person_id
COMMENT 'one row a person'
