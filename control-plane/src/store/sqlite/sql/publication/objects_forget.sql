DELETE FROM snapshot_object WHERE state = ?2 AND name IN (SELECT unhex(value) FROM json_each(?1))
