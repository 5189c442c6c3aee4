SELECT EXISTS (
    SELECT 1 FROM key
    WHERE workspace_id = ?1 AND name = ?2 AND status IN ('active', 'disabled') AND (?3 IS NULL OR id <> ?3)
)
