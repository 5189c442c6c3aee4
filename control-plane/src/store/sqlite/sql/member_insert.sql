INSERT INTO member (id, workspace_id, kind, email, name, role, external_id, created_at, version, is_default)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
