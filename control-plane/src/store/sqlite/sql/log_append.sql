-- ?1 is a JSON object: nodes [place, hash in hexadecimal], hours [hour, its first event, its last], found
-- [event, facets, words], and the size of the tree.
INSERT INTO audit_node (place, hash) SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?1, '$.nodes');
INSERT INTO audit_hour (hour, first_seq, last_seq)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1, '$.hours') WHERE true
ON CONFLICT (hour) DO UPDATE SET
    first_seq = min(first_seq, excluded.first_seq),
    last_seq = max(last_seq, excluded.last_seq);
INSERT INTO audit_search (rowid, facets, words)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1, '$.found');
UPDATE audit_log SET size = ?1 ->> '$.size' WHERE id = 1
