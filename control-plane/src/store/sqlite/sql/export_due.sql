WHERE due_at <= ?1
-- Operators' first, then those of the workspace that had the fewest of late.
ORDER BY
    workspace_id IS NOT NULL,
    (
        SELECT count(*) FROM audit_export AS other
        WHERE other.workspace_id = audit_export.workspace_id AND other.due_at IS NULL
    ),
    due_at
LIMIT 1
