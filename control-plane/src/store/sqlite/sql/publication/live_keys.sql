SELECT secret.fingerprint, key.id, key.workspace_id, key.name, key.status = 'disabled'
FROM secret
JOIN key ON key.id = secret.key_id
WHERE secret.live = 1 AND secret.slot IS NOT NULL
ORDER BY secret.fingerprint
