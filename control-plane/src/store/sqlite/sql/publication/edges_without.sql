-- Edges whose last report told of other peppers only.
SELECT instance, location, seen_at, count(*) OVER ()
FROM edge
WHERE seen_at >= ?2 AND NOT EXISTS (SELECT 1 FROM json_each(edge.peppers) WHERE value = ?1)
ORDER BY seen_at DESC, id DESC
LIMIT ?3
