JOIN audit_search ON audit_search.rowid = audit_event.seq
WHERE
    audit_search MATCH ?6 AND audit_search.rowid >= ?1 AND audit_search.rowid < ?2
    AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
    -- The index knows values by a hash.
    AND (?7 IS NULL OR workspace_id = ?7) AND (?8 IS NULL OR workspace_id = ?8)
    AND (?9 IS NULL OR actor_id = ?9 OR on_behalf_of = ?9) AND (?10 IS NULL OR target_id = ?10)
ORDER BY audit_search.rowid
LIMIT ?5
