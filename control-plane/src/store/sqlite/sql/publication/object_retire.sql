UPDATE snapshot_object SET state = 'retired', named_until = ?2 WHERE name = ?1
