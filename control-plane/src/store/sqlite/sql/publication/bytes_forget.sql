DELETE FROM snapshot_bytes
WHERE name IN (SELECT unhex(value) FROM json_each(?1))
    AND NOT EXISTS (SELECT 1 FROM snapshot_object WHERE snapshot_object.name = snapshot_bytes.name)
