INSERT INTO published (generation, epoch, published_at, older_expire_at)
SELECT ?1, ?2, ?3, ?4
WHERE NOT EXISTS (SELECT 1 FROM published WHERE generation >= ?1)
