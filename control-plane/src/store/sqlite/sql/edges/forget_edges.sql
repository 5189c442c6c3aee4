DELETE FROM edge WHERE id IN (SELECT id FROM edge WHERE seen_at < ?1 ORDER BY seen_at, id LIMIT ?2)
