SELECT EXISTS (
    SELECT 1 FROM team WHERE workspace_id = ?1 AND name = ?2 AND deleted_at IS NULL AND (?3 IS NULL OR id <> ?3)
)
