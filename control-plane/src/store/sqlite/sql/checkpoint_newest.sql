WHERE incarnation = (SELECT incarnation FROM audit_log WHERE id = 1) ORDER BY size DESC LIMIT 1
