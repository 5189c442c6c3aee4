DELETE FROM snapshot_object WHERE name = ?1 AND state = 'retired'
