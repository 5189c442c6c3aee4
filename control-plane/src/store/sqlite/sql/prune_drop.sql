DELETE FROM audit_search WHERE rowid <= ?1;
DELETE FROM audit_time WHERE last_seq <= ?1;
DELETE FROM audit_event WHERE seq <= ?1
