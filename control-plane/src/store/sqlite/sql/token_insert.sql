INSERT INTO token (id, member_id, name, hash, scopes, made_by, created_at, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
