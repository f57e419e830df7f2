CREATE OR REPLACE VIEW v_identities AS
SELECT concat('p_', lpad(lower(hex(dictGetOrDefault('{{.Database}}.person_recent', 'person', identity,
           dictGetOrDefault('{{.Database}}.person_base', 'person', identity, identity)))), 16, '0')) AS person_id,
       appid, openid, first_seen, identity
FROM identities FINAL
COMMENT 'one row an identity, with its present person'
