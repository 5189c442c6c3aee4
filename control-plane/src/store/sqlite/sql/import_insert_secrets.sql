-- ?1 is a JSON array of secrets, each the array of its values: a key has one, its current one.
INSERT INTO secret (key_id, slot, fingerprint, sealed_digest, sealed_secret, hint, deadline_s, live, created_at)
SELECT
    value ->> 0, 0, unhex(value ->> 1), unhex(value ->> 2), unhex(value ->> 3), value ->> 4, value ->> 5, 1,
    value ->> 6
FROM json_each(?1)
