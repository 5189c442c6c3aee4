UPDATE api SET title = ?3, routes = ?4, version = ?6
WHERE number = ?1 AND name = ?2 AND created_at = ?5 AND version = ?6 - 1 AND deleted_at IS NULL
