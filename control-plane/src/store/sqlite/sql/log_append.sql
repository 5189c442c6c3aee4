-- ?1 is a JSON object: nodes [place, hash in hexadecimal], times [span, number, its first event, its last], found
-- [event, facets, words], and the size of the tree.
INSERT INTO audit_node (place, hash) SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?1, '$.nodes');
INSERT INTO audit_time (span, number, first_seq, last_seq)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1, '$.times') WHERE true
ON CONFLICT (span, number) DO UPDATE SET
    first_seq = min(first_seq, excluded.first_seq),
    last_seq = max(last_seq, excluded.last_seq);
INSERT INTO audit_search (rowid, facets, words)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1, '$.found');
UPDATE audit_log SET size = ?1 ->> '$.size' WHERE id = 1
