INSERT INTO identity (id, deployment, pepper, kek) VALUES (1, ?1, ?2, ?3) ON CONFLICT (id) DO NOTHING
