INSERT OR REPLACE INTO refusal_sample (place, edge_id, ordinal, at, reason, fingerprint)
SELECT (?3 + told.key) % ?4, ?1, told.value ->> 'ordinal', told.value ->> 'at', told.value ->> 'reason',
       unhex(told.value ->> 'fingerprint')
FROM json_each(?2) AS told
