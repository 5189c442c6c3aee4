SELECT size, pruned, incarnation FROM audit_log WHERE id = 1
