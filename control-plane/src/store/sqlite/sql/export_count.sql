-- Of workspace ?2, or of those who see all: what is on its way or can be fetched at ?1, of its own and of its kind, and
-- what was asked for after ?3.
SELECT
    (SELECT count(*) FROM audit_export WHERE workspace_id IS ?2 AND (due_at IS NOT NULL OR expires_at > ?1)),
    (
        SELECT count(*) FROM audit_export
        WHERE (due_at IS NOT NULL OR expires_at > ?1) AND (workspace_id IS NULL) = (?2 IS NULL)
    ),
    (SELECT count(*) FROM audit_export WHERE workspace_id IS ?2 AND created_at > ?3)
