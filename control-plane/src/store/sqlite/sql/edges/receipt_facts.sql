SELECT (SELECT generation FROM counter WHERE id = 1), (SELECT min(at) FROM audit_event WHERE generation = ?1)
