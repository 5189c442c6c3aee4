SELECT place, hash FROM audit_node WHERE place IN (SELECT value FROM json_each(?1))
