-- Of a day that is full, whoever has no place may have had what the least has; and what no report told of.
SELECT coalesce(sum(count), 0)
FROM (
    SELECT count FROM refusal_untold WHERE kind = ?1 AND day >= ?2 AND day < ?3
    UNION ALL
    SELECT min(count) FROM refusal_hitter
    WHERE kind = ?1 AND day >= ?2 AND day < ?3
    GROUP BY day
    HAVING count(*) >= ?4
)
