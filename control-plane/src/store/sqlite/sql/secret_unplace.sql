UPDATE secret SET slot = NULL WHERE key_id = ?1 AND slot IS NOT NULL
