DELETE FROM audit_export WHERE due_at IS NULL AND expires_at <= ?1
