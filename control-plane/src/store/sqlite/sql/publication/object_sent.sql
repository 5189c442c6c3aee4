UPDATE snapshot_object SET sent_at = ?2 WHERE name = ?1
