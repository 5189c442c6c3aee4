SELECT expires_at FROM snapshot_head WHERE id = 1
