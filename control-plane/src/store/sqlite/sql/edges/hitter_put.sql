-- Space-Saving (Metwally, Agrawal and El Abbadi, 2005): whoever is new may have had what the least has. ?4 is that.
INSERT INTO refusal_hitter (day, kind, who, reason, count, error, last_at)
SELECT ?1, ?2, unhex(told.value ->> 'who'), told.value ->> 'reason', told.value ->> 'count' + ?4,
       told.value ->> 'error' + ?4, told.value ->> 'last_at'
FROM json_each(?3) AS told
WHERE true
ON CONFLICT (day, kind, who, reason) DO UPDATE SET
    count = count + excluded.count - ?4, error = error + excluded.error - ?4, last_at = max(last_at, excluded.last_at)
