SELECT hour, first_seq, last_seq FROM audit_hour WHERE hour IN (SELECT value FROM json_each(?1))
