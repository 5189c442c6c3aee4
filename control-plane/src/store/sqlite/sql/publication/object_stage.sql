INSERT INTO snapshot_object (name, bytes, state) VALUES (?1, ?2, 'staged') ON CONFLICT (name) DO NOTHING
