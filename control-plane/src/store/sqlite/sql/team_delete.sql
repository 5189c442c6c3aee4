UPDATE team SET deleted_at = ?2, version = version + 1 WHERE id = ?1 AND deleted_at IS NULL
