INSERT INTO snapshot_object (name, size, state) VALUES (?1, ?2, 'staged') ON CONFLICT (name) DO NOTHING
