SELECT number, name, title, routes, created_at, version FROM api WHERE deleted_at IS NULL ORDER BY number
