UPDATE secret SET sealed_secret = NULL
WHERE sealed_secret IS NOT NULL AND key_id IN (SELECT id FROM key WHERE workspace_id = ?1)
