-- Whatever the key no longer names is final.
UPDATE secret SET live = 0, ended_at = ?2 WHERE key_id = ?1 AND live = 1 AND slot IS NULL
