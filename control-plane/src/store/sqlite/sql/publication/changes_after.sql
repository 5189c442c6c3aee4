SELECT generation, fingerprint, narrowing, entries_of_mutation
FROM outbox
WHERE generation > ?1 AND entries_of_mutation <= ?2
ORDER BY generation, fingerprint
LIMIT ?3
