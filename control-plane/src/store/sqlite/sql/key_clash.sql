SELECT
    EXISTS (SELECT 1 FROM key WHERE workspace_id = ?1 AND name = ?2 AND status IN ('active', 'disabled')),
    EXISTS (SELECT 1 FROM secret WHERE fingerprint = ?3)
