UPDATE counter SET audit_seq = ?1 WHERE id = 1
