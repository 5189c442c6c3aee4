UPDATE counter SET epoch = ?1 WHERE id = 1
