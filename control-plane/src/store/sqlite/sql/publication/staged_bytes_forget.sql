DELETE FROM snapshot_bytes WHERE name IN (SELECT name FROM snapshot_object WHERE state = 'staged')
