WHERE
    at >= coalesce((SELECT max(at) FROM audit_checkpoint WHERE at < ?1), ?1)
    AND at <= coalesce((SELECT min(at) FROM audit_checkpoint WHERE at >= ?2), ?2)
    AND (at, incarnation, size) > (?3, ?4, ?5)
ORDER BY at, incarnation, size
LIMIT ?6
