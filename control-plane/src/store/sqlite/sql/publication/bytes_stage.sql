INSERT INTO snapshot_bytes (name, bytes) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING
