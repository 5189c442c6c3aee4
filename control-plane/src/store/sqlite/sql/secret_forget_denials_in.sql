UPDATE secret_usage SET denied_since = NULL, denials_from = ?2
WHERE secret_id IN (
    SELECT secret.id FROM secret JOIN key ON key.id = secret.key_id WHERE key.workspace_id = ?1 AND secret.slot IS NOT NULL
)
