-- Those of edges that read over http, whose lanes have the bit 2, are live for less long. One from
-- later than ?3 was heard from by a clock that has been set back since.
SELECT min(coalesce(generation, 0))
FROM edge
WHERE seen_at BETWEEN ?2 + 1 AND ?3 AND (lanes & 2 = 0 OR seen_at > ?1)
