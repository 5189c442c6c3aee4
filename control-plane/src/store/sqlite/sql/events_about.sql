-- Each half ends at the newest few of an index: a key may have any number of events, and so may a workspace.
SELECT
    seq, at, actor_kind, actor_id, actor_name, on_behalf_of, action, entity,
    details ->> '$.operation' AS operation, reason, generation
FROM (
    SELECT * FROM (
        SELECT * FROM audit_event WHERE target_id = ?1 AND action <> 'Reveal' ORDER BY seq DESC LIMIT ?3
    )
    UNION ALL
    SELECT * FROM (
        SELECT * FROM audit_event
        WHERE target_id = ?2 AND entity = 'Workspaces'
            AND (
                action IN ('Disable', 'Enable', 'Delete')
                OR (action = 'Update' AND details ->> '$.after.slug' IS NOT NULL)
            )
        ORDER BY seq DESC LIMIT ?3
    )
)
ORDER BY seq DESC
LIMIT ?3
