SELECT bytes FROM snapshot_bytes WHERE name = ?1
