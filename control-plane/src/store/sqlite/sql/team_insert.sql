INSERT INTO team (id, workspace_id, name, external_id, created_at, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
