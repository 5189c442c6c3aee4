UPDATE audit_log SET pruned = ?1 WHERE id = 1 AND pruned < ?1 AND size > ?1
