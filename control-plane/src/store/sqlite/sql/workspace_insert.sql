INSERT INTO workspace (
    id, name, slug, status, staff_max_access, reveal, max_keys, external_id, metadata, created_at, version
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
