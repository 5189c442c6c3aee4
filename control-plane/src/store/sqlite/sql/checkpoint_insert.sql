INSERT INTO audit_checkpoint (incarnation, size, root, at, note) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (incarnation, size) DO NOTHING
