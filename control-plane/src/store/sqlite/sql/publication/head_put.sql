INSERT INTO snapshot_head (id, epoch, generation, issued_at, expires_at, tree_generation, bytes)
VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (id) DO UPDATE SET
    epoch = excluded.epoch, generation = excluded.generation, issued_at = excluded.issued_at,
    expires_at = excluded.expires_at, tree_generation = excluded.tree_generation, bytes = excluded.bytes
