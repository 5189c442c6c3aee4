UPDATE audit_export SET due_at = NULL WHERE id = ?1
