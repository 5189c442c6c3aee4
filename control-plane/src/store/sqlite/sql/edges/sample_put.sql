INSERT OR REPLACE INTO refusal_sample (place, edge_id, ordinal, at, reason, fingerprint)
SELECT told.value ->> 'place', ?1, told.value ->> 'ordinal', told.value ->> 'at', told.value ->> 'reason',
       unhex(told.value ->> 'fingerprint')
FROM json_each(?2) AS told
