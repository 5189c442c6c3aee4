WHERE key.workspace_id = ?1 AND key.id = ?2 AND key.status <> 'deleted'
