-- A secret whose grace period is over is final: what was kept of it to be shown again goes.
UPDATE secret SET sealed_secret = NULL
WHERE sealed_secret IS NOT NULL AND slot = 1
    AND EXISTS (SELECT 1 FROM key WHERE key.id = secret.key_id AND key.previous_valid_until <= ?1)
