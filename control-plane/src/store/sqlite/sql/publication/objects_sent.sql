UPDATE snapshot_object SET sent_at = ?2 WHERE name IN (SELECT unhex(value) FROM json_each(?1))
