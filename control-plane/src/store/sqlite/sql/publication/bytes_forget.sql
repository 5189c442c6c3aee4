DELETE FROM snapshot_bytes
WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM snapshot_object WHERE name = ?1)
