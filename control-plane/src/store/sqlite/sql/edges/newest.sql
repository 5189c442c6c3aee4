SELECT id, sequence, parts, counters
FROM edge
WHERE instance = ?1
