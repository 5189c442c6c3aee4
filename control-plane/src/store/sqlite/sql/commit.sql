-- What every transaction ends with, in one go: each statement by itself is a way to the database and back.
UPDATE counter SET audit_seq = ?1 WHERE id = 1;
-- ?3 is a JSON array of [fingerprint in hexadecimal, narrowing], ?4 how many it holds.
INSERT INTO outbox (generation, fingerprint, narrowing, entries_of_mutation)
SELECT ?2, unhex(value ->> 0), value ->> 1, ?4 FROM json_each(?3);
