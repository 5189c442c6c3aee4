DELETE FROM audit_export
WHERE due_at IS NULL AND (expires_at <= ?1 OR (expires_at IS NULL AND created_at <= ?2))
