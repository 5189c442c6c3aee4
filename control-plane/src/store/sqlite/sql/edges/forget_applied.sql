DELETE FROM edge_applied WHERE (edge_id, generation) IN (
    SELECT edge_id, generation FROM edge_applied WHERE told_at < ?1 LIMIT ?2
)
