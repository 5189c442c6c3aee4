SELECT name FROM snapshot_object WHERE state = 'retired' AND named_until < ?1 ORDER BY named_until LIMIT ?2
