-- Hours ?1 to ?2, where ?3 says that they count.
SELECT
    pruned,
    (SELECT min(first_seq) FROM audit_hour WHERE ?3 AND hour >= ?1 AND hour <= ?2),
    (SELECT max(last_seq) FROM audit_hour WHERE ?3 AND hour >= ?1 AND hour <= ?2)
FROM audit_log
WHERE id = 1
