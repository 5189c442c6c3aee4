SELECT DISTINCT fingerprint FROM outbox WHERE generation > ?1
