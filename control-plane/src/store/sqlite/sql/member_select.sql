SELECT id, workspace_id, kind, email, name, role, external_id, created_at, version
FROM member
