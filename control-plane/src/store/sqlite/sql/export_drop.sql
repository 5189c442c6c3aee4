UPDATE audit_export SET due_at = NULL, secret_hash = NULL, file_name = NULL, expires_at = NULL WHERE id = ?1
