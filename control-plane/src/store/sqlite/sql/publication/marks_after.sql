SELECT generation, fingerprint, narrowing, entries_of_mutation
FROM outbox
WHERE generation > ?1 AND length(fingerprint) = 16
