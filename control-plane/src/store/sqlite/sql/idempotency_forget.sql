DELETE FROM idempotency WHERE expires_at <= ?1
