UPDATE snapshot_head SET sent_epoch = ?1, sent_generation = ?2, sent_issued_at = ?3, sent_at = ?4 WHERE id = 1
