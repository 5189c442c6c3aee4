-- Whole mutations that narrow something, those of single keys first.
SELECT generation, fingerprint, narrowing, entries_of_mutation
FROM outbox
WHERE entries_of_mutation <= ?2
    AND generation IN (SELECT generation FROM outbox WHERE generation > ?1 AND narrowing AND fingerprint <> x'')
ORDER BY entries_of_mutation > ?3, generation, fingerprint
LIMIT ?4
