SELECT who, reason, sum(count), sum(error), max(last_at)
FROM refusal_hitter
WHERE kind = ?1 AND day >= ?2 AND day < ?3
GROUP BY who, reason
ORDER BY sum(count) DESC, max(last_at) DESC, who, reason
LIMIT ?4 OFFSET ?5
