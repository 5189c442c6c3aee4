INSERT INTO audit_export
    (id, recipient, format, filter, workspace_id, token_id, member_id, on_behalf_of, created_at, failures, due_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?9)
