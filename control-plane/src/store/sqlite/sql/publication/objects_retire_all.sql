UPDATE snapshot_object SET state = 'retired', named_until = ?1 WHERE state = 'named'
