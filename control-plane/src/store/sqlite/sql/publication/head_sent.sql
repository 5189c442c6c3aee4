-- One who was superseded may hear late of what was written: the newest stays.
UPDATE snapshot_head SET sent_epoch = ?1, sent_generation = ?2, sent_issued_at = ?3, sent_at = ?4
WHERE id = 1
    AND (sent_epoch IS NULL OR (sent_epoch, sent_generation, sent_issued_at) <= (?1, ?2, ?3))
