-- Those of edges that read over http, whose lanes have the bit 2, are live for less long.
SELECT count(*), count(*) FILTER (WHERE generation >= ?1)
FROM edge
WHERE seen_at > ?3 AND (lanes & 2 = 0 OR seen_at > ?2)
