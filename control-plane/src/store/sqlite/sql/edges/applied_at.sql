UPDATE edge
SET applied_at = (SELECT at FROM edge_applied WHERE edge_id = edge.id AND generation = edge.generation)
WHERE id = ?1
