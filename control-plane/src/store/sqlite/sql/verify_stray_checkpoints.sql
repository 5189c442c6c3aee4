WHERE size < 1 OR size > ?1 ORDER BY size DESC LIMIT ?2
