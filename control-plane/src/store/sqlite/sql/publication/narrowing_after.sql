SELECT generation, fingerprint, narrowing FROM outbox WHERE generation > ?1 AND length(fingerprint) = 16
