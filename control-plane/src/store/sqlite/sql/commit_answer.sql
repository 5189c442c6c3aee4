-- Only an answer that nobody may ask for any more is replaced.
INSERT INTO idempotency (id, request_hash, sealed_answer, created_at, expires_at)
VALUES (?6, ?7, ?8, ?9, ?10)
ON CONFLICT (id) DO UPDATE SET
    request_hash = excluded.request_hash,
    sealed_answer = excluded.sealed_answer,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at
WHERE idempotency.expires_at <= excluded.created_at
