UPDATE published SET sent_at = ?2 WHERE generation <= ?1 AND sent_at IS NULL
