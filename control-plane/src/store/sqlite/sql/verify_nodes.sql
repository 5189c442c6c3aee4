SELECT place, hash FROM audit_node WHERE place BETWEEN ?1 AND ?2
