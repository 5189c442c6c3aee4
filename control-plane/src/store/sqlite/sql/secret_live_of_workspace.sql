SELECT secret.fingerprint FROM key JOIN secret ON secret.key_id = key.id AND secret.live = 1
WHERE key.workspace_id = ?1 AND key.status IN ('active', 'disabled')
