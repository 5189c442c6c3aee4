SELECT id, sequence, parts, digest, counters
FROM edge
WHERE instance = ?1
