DELETE FROM outbox WHERE generation <= ?1
