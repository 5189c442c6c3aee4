INSERT INTO audit_export (id, recipient, format, filter, workspace_id, created_at, failures, due_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?6)
