UPDATE snapshot_object SET state = 'retired', named_until = ?2
WHERE name IN (SELECT unhex(value) FROM json_each(?1))
