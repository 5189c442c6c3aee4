-- The sign keeps the index of all live secrets from being gone through for those of a few keys.
UPDATE secret SET slot = NULL, live = 0, ended_at = ?2, sealed_secret = NULL
WHERE +live = 1 AND key_id IN (SELECT value FROM json_each(?1))
