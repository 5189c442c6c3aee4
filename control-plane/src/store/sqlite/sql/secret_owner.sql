SELECT key.workspace_id, key.id, key.name, secret.slot
FROM secret JOIN key ON key.id = secret.key_id
WHERE secret.fingerprint = ?1
