-- ?1 is a JSON array of [event, details, hash in hexadecimal].
UPDATE audit_event SET details = given.value ->> 1, hash = unhex(given.value ->> 2)
FROM json_each(?1) AS given WHERE audit_event.seq = given.value ->> 0
