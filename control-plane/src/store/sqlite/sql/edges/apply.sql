INSERT INTO edge_applied (edge_id, generation, epoch, at)
SELECT ?1, value ->> 'generation', value ->> 'epoch', value ->> 'at'
FROM json_each(?2)
WHERE true
ON CONFLICT (edge_id, generation) DO NOTHING
