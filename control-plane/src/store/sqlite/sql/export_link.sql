UPDATE audit_export SET secret_hash = ?2, file_name = ?3, expires_at = ?4 WHERE id = ?1
