SELECT seq FROM audit_event WHERE seq < 1 OR seq > ?1 LIMIT ?2
