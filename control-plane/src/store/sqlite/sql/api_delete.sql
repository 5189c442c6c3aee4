UPDATE api SET deleted_at = ?2, version = version + 1 WHERE name = ?1 AND deleted_at IS NULL
