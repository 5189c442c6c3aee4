SELECT
    id, recipient, format, filter, workspace_id, token_id, member_id, on_behalf_of, created_at, failures,
    secret_hash, file_name, expires_at
FROM audit_export
