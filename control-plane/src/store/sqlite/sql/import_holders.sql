-- ?1 is a JSON array of workspaces, ?2 one of members, ?3 one of [workspace, external id].
SELECT id, workspace_id, external_id, name, role, is_default
FROM member
WHERE deleted_at IS NULL AND id IN (
    SELECT usual.id FROM json_each(?1) AS wanted
    CROSS JOIN member AS usual INDEXED BY member_default
        ON usual.workspace_id = wanted.value AND usual.is_default = 1
    UNION
    SELECT value FROM json_each(?2)
    UNION
    SELECT named.id FROM json_each(?3) AS wanted
    CROSS JOIN member AS named INDEXED BY member_external_id
        ON named.workspace_id = wanted.value ->> 0
        AND named.external_id = wanted.value ->> 1 AND named.external_id IS NOT NULL
)
