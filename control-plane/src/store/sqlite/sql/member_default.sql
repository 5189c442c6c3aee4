WHERE workspace_id = ?1 AND is_default = 1 AND deleted_at IS NULL
