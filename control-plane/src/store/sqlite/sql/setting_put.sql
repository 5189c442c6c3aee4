INSERT INTO setting (id, value, version) VALUES (1, ?1, ?2)
ON CONFLICT (id) DO UPDATE SET value = excluded.value, version = excluded.version
WHERE setting.version = excluded.version - 1
