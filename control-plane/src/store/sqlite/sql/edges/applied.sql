-- The first step at or above the generation, of edges that began before ?3, were heard from since ?2 and whose
-- first such step is not forgotten: a later one would tell another time.
SELECT edge.instance, edge_applied.at, edge_applied.told_at
FROM edge
JOIN edge_applied ON edge_applied.edge_id = edge.id AND edge_applied.generation = (
    SELECT min(generation) FROM edge_applied WHERE edge_id = edge.id AND generation >= ?1
)
WHERE edge.seen_at >= ?2 AND (?3 IS NULL OR edge.first_seen_at < ?3) AND coalesce(edge.forgotten < ?1, true)
ORDER BY edge_applied.at, edge.id
LIMIT ?4
