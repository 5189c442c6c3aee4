UPDATE workspace SET
    name = ?2, slug = ?3, status = ?4, staff_max_access = ?5, reveal = ?6, max_keys = ?7,
    external_id = ?8, metadata = ?9, version = ?11
WHERE id = ?1 AND created_at = ?10 AND version = ?11 - 1 AND deleted_at IS NULL
