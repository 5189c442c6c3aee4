UPDATE snapshot_object SET state = 'named', named_until = NULL WHERE name = ?1
