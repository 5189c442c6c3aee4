SELECT id, sequence, counters
FROM edge
WHERE instance = ?1
