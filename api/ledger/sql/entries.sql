-- The hash orders entries of one millisecond.
SELECT at, actor, toString(role), toString(action), target, detail, sipHash64(actor, role, action, target, detail) AS hash
FROM audit
WHERE (at, hash) < ({at:DateTime64(3, 'UTC')}, {hash:UInt64})
ORDER BY at DESC, hash DESC
LIMIT {limit:UInt64}
