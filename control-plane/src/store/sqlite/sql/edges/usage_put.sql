-- ?1 is a JSON array: each tells of the secrets whose fingerprints are from one to another, of which there is one.
-- The join is in this order: of many secrets only those that are told are looked up.
INSERT INTO secret_usage (secret_id, calls, refused, last_used_at, last_denied_at, denied_since)
SELECT secret.id, told.value ->> 'calls', told.value ->> 'refused', told.value ->> 'last_used_at',
       told.value ->> 'last_denied_at', told.value ->> 'denied_since'
FROM json_each(?1) AS told
CROSS JOIN secret ON secret.fingerprint BETWEEN unhex(told.value ->> 'from') AND unhex(told.value ->> 'to')
WHERE true
ON CONFLICT (secret_id) DO UPDATE SET
    calls = calls + excluded.calls,
    refused = refused + excluded.refused,
    last_used_at =
        max(coalesce(last_used_at, excluded.last_used_at), coalesce(excluded.last_used_at, last_used_at)),
    last_denied_at =
        max(coalesce(last_denied_at, excluded.last_denied_at), coalesce(excluded.last_denied_at, last_denied_at)),
    denied_since = CASE
        -- A call that was allowed ends no refusals: an edge may lag behind others. Only a change does, which says so.
        WHEN excluded.denied_since IS NULL OR excluded.last_denied_at < denials_from THEN denied_since
        ELSE min(
            coalesce(denied_since, 9223372036854775807),
            max(excluded.denied_since, coalesce(denials_from, excluded.denied_since))
        )
    END
