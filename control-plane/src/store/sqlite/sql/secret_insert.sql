INSERT INTO secret (key_id, slot, fingerprint, sealed_digest, sealed_secret, hint, deadline_s, live, created_at)
VALUES (?1, NULL, ?2, ?3, ?4, ?5, NULL, 1, ?6)
