INSERT INTO edge_applied (edge_id, generation, at, told_at)
SELECT ?1, value ->> 'generation', value ->> 'at', ?3
FROM json_each(?2)
WHERE true
ON CONFLICT (edge_id, generation) DO NOTHING
