INSERT INTO secret (key_id, slot, fingerprint, sealed_digest, hint, deadline_s, live, created_at)
VALUES (?1, 0, ?2, ?3, ?4, ?6, 1, ?5)
