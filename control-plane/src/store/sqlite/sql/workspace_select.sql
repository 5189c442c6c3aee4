SELECT id, name, slug, status, staff_max_access, reveal, max_keys, external_id, metadata, created_at, version
FROM workspace
