DELETE FROM audit_search WHERE rowid <= ?1;
DELETE FROM audit_hour WHERE last_seq <= ?1;
DELETE FROM audit_event WHERE seq <= ?1
