-- Each part ends at the newest few of an index: a key may have any number of events, and so may what it
-- depends on. No part crowds out another: what stopped the key may be long ago.
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
    UNION ALL
    SELECT * FROM (
        SELECT * FROM audit_event WHERE target_id = ?4 AND entity = 'APIs' ORDER BY seq DESC LIMIT 1
    )
    UNION ALL
    SELECT * FROM (
        SELECT * FROM audit_event
        WHERE ?5 AND target_id = 'settings' AND entity = 'Settings' AND action = 'Update'
        ORDER BY seq DESC LIMIT 1
    )
)
ORDER BY seq DESC
