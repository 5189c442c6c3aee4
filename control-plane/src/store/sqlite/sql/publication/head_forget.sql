INSERT INTO snapshot_head (id, epoch, generation, issued_at, expires_at, tree_generation, bytes)
VALUES (1, ?1, ?2, 0, ?3, 0, x'')
ON CONFLICT (id) DO UPDATE SET
    epoch = max(epoch, excluded.epoch), generation = max(generation, excluded.generation), tree_generation = 0,
    expires_at = max(expires_at, excluded.expires_at), bytes = x''
