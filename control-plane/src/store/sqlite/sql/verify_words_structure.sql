PRAGMA integrity_check(audit_search)
