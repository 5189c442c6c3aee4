-- ?1 as for what is written of the secrets themselves.
-- The join is in this order: of many secrets only those that are told are looked up.
UPDATE key SET last_used_at = used.at
FROM (
    SELECT secret.key_id AS id, max(told.value ->> 'last_used_at') AS at
    FROM json_each(?1) AS told
    CROSS JOIN secret ON secret.fingerprint BETWEEN unhex(told.value ->> 'from') AND unhex(told.value ->> 'to')
    WHERE told.value ->> 'last_used_at' IS NOT NULL
    GROUP BY secret.key_id
) AS used
WHERE key.id = used.id AND (key.last_used_at IS NULL OR key.last_used_at < used.at)
