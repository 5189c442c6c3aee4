SELECT 1 FROM lease WHERE id = 1 AND holder = ?1
