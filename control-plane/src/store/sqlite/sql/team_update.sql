UPDATE team SET name = ?3, external_id = ?4, version = ?6
WHERE id = ?1 AND workspace_id = ?2 AND created_at = ?5 AND version = ?6 - 1 AND deleted_at IS NULL
