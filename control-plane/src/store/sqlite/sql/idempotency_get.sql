SELECT id, request_hash, sealed_answer, created_at, expires_at
FROM idempotency WHERE id = ?1 AND expires_at > ?2
