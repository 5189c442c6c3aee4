SELECT count(*) FILTER (WHERE workspace_id IS ?2), count(*) FROM audit_export
WHERE (due_at IS NOT NULL OR expires_at > ?1) AND (workspace_id IS NULL) = (?2 IS NULL)
