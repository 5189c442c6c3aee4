UPDATE secret SET slot = ?3, deadline_s = ?4 WHERE key_id = ?1 AND fingerprint = ?2 AND live = 1
