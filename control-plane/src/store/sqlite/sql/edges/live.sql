-- Those of edges that read over http, whose lanes have the bit 2, are live for less long.
SELECT min(coalesce(generation, 0))
FROM edge
WHERE seen_at > ?2 AND (lanes & 2 = 0 OR seen_at > ?1)
