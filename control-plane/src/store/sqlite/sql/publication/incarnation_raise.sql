UPDATE audit_log SET incarnation = max(incarnation, ?1) WHERE id = 1
