SELECT EXISTS (
    SELECT 1 FROM workspace WHERE slug = ?1 AND deleted_at IS NULL AND (?2 IS NULL OR id <> ?2)
)
