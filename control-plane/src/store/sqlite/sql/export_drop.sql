DELETE FROM audit_export WHERE id = ?1
