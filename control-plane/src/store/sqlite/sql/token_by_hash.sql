WHERE hash = ?1
