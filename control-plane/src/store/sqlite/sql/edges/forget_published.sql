-- The newest of the old ones stays: it tells of which generations no more is known.
DELETE FROM published WHERE generation IN (
    SELECT generation FROM published
    WHERE generation < (SELECT max(generation) FROM published WHERE published_at < ?1)
    ORDER BY generation
    LIMIT ?2
)
