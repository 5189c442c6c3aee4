-- Whatever the key no longer names is final, and not to be shown again.
UPDATE secret SET live = 0, ended_at = ?2, sealed_secret = NULL
WHERE key_id = ?1 AND live = 1 AND slot IS NULL
