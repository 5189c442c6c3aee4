-- ?2 is a JSON array of [fingerprint in hexadecimal, narrowing], ?3 how many it holds.
INSERT INTO outbox (generation, fingerprint, narrowing, entries_of_mutation)
SELECT ?1, unhex(value ->> 0), value ->> 1, ?3 FROM json_each(?2)
