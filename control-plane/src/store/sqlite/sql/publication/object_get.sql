SELECT bytes FROM snapshot_object WHERE name = ?1
