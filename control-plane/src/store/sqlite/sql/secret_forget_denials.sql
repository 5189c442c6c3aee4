-- A row for each secret, so that a report that comes late tells of nothing before.
INSERT INTO secret_usage (secret_id, calls, refused, denials_from)
SELECT id, 0, 0, ?2 FROM secret WHERE key_id = ?1 AND slot IS NOT NULL
ON CONFLICT (secret_id) DO UPDATE SET denied_since = NULL, denials_from = excluded.denials_from
