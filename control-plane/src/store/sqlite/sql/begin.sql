-- Takes the lock that orders mutations and the number that this one commits as.
UPDATE counter SET generation = generation + 1 WHERE id = 1
RETURNING generation, audit_seq
