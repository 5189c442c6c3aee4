-- Behind `key_insert.sql`, whose first value it shares.
INSERT INTO secret (key_id, slot, fingerprint, sealed_digest, sealed_secret, hint, deadline_s, live, created_at)
VALUES (?1, 0, ?25, ?26, ?27, ?28, ?29, 1, ?30)
