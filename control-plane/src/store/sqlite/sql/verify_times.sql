SELECT span, number, first_seq, last_seq FROM audit_time
WHERE (span, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
