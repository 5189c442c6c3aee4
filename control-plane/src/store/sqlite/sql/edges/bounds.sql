SELECT first_report_at, newest_until, gap_at, unnamed_at,
       (SELECT min(until) FROM edge WHERE seen_at BETWEEN ?2 + 1 AND ?3 AND (lanes & 2 = 0 OR seen_at > ?1))
           AS oldest_live_until
FROM usage_bound
WHERE id = 1
