SELECT id, sequence, parts, digest, older_digest, counters
FROM edge
WHERE instance = ?1
