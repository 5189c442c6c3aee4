UPDATE snapshot_object SET state = 'named', named_until = NULL
WHERE name IN (SELECT unhex(value) FROM json_each(?1))
