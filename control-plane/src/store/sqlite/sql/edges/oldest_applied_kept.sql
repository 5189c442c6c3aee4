SELECT told_at FROM edge_applied ORDER BY told_at DESC LIMIT 1 OFFSET ?1
