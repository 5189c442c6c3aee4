-- ?4 is a JSON array of [fingerprint in hexadecimal, narrowing], ?5 how many it holds.
INSERT INTO outbox (generation, fingerprint, narrowing, entries_of_mutation)
SELECT ?2, unhex(value ->> 0), value ->> 1, ?5 FROM json_each(?4);
