UPDATE lease SET holder = NULL, until = 0 WHERE id = 1 AND holder = ?1
