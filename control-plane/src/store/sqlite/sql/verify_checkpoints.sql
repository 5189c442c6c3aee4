WHERE size BETWEEN ?1 AND ?2 ORDER BY size, incarnation LIMIT ?3
