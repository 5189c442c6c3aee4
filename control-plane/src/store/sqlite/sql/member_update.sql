UPDATE member SET kind = ?3, email = ?4, name = ?5, role = ?6, external_id = ?7, version = ?9
WHERE id = ?1 AND workspace_id = ?2 AND created_at = ?8 AND version = ?9 - 1 AND deleted_at IS NULL
