SELECT published_at, sent_at, older_expire_at
FROM published
WHERE generation >= ?1
ORDER BY generation
LIMIT 1
