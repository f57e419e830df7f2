SELECT name, definition, owner, at
FROM audiences FINAL
WHERE deleted = 0
ORDER BY name
