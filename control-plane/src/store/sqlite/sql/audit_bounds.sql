-- Of the times ?2 to ?3 of span ?1.
SELECT min(first_seq), max(last_seq) FROM audit_time WHERE span = ?1 AND number >= ?2 AND number <= ?3
