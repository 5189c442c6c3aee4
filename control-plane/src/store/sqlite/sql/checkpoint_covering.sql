WHERE incarnation = (SELECT incarnation FROM audit_log WHERE id = 1) AND size >= ?1 ORDER BY size LIMIT 1
