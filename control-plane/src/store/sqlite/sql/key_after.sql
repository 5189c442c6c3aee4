WHERE key.workspace_id = ?1 AND key.status <> 'deleted' AND (?2 IS NULL OR key.id > ?2)
ORDER BY key.id
LIMIT ?3
