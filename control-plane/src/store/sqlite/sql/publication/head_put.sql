-- expires_at is when the last of all heads so far expires, which need not be this one.
INSERT INTO snapshot_head (id, epoch, generation, issued_at, expires_at, tree_generation, bytes)
VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (id) DO UPDATE SET
    epoch = excluded.epoch, generation = excluded.generation, issued_at = excluded.issued_at,
    expires_at = max(expires_at, excluded.expires_at), tree_generation = excluded.tree_generation,
    bytes = excluded.bytes
