SELECT min(seq) FROM audit_event WHERE seq BETWEEN ?1 AND ?2
