SELECT first_report_at, newest_until, gap_at, unnamed_at,
       (SELECT min(until) FROM edge WHERE seen_at > ?2 AND (lanes & 2 = 0 OR seen_at > ?1))
           AS oldest_live_until
FROM usage_bound
WHERE id = 1
