UPDATE secret SET slot = NULL, live = 0, ended_at = ?2, sealed_secret = NULL
WHERE live = 1 AND key_id IN (SELECT id FROM key WHERE workspace_id = ?1)
