-- The places of words from ?1 to ?2, up to ?3 of them.
SELECT count(*) FROM (SELECT 1 FROM audit_place WHERE term >= ?1 AND term <= ?2 LIMIT ?3)
