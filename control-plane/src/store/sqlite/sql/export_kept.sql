SELECT id, workspace_id FROM audit_export WHERE due_at IS NOT NULL OR expires_at > ?1
