WHERE deleted_at IS NULL AND (?1 IS NULL OR (created_at, id) < (?1, ?2))
ORDER BY created_at DESC, id DESC
LIMIT ?3
