SELECT instance, seen_at
FROM edge
WHERE seen_at >= ?2 AND (generation IS NULL OR generation < ?1)
ORDER BY seen_at DESC, id DESC
LIMIT ?3
