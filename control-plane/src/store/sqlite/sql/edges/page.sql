SELECT id, instance, location, software, lanes, state, peppers, epoch, generation, applied_at, first_seen_at, seen_at,
       counters
FROM edge
WHERE seen_at >= ?1 AND (?2 IS NULL OR (seen_at, id) < (?2, ?3))
ORDER BY seen_at DESC, id DESC
LIMIT ?4
