UPDATE edge SET parts = ?2 WHERE id = ?1
