SELECT
    id, recipient, format, filter, workspace_id, created_at, failures, secret_hash, file_name, expires_at
FROM audit_export
