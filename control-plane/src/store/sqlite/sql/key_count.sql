SELECT COUNT(*) FROM key WHERE workspace_id = ?1 AND status IN ('active', 'disabled')
