WHERE seq >= ?1 AND seq < ?2 AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
ORDER BY seq
LIMIT ?5
