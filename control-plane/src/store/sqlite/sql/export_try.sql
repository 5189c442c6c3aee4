UPDATE audit_export SET failures = failures + 1, due_at = ?2 WHERE id = ?1
