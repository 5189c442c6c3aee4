-- A row for each secret, as for the secrets of one key.
INSERT INTO secret_usage (secret_id, calls, refused, denials_from)
SELECT secret.id, 0, 0, ?2
FROM key
JOIN secret ON secret.key_id = key.id AND secret.slot IS NOT NULL
WHERE key.workspace_id = ?1
ON CONFLICT (secret_id) DO UPDATE SET denied_since = NULL, denials_from = excluded.denials_from
