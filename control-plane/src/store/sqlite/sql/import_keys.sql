-- ?1 is a JSON array of [workspace, external id].
WHERE key.status <> 'deleted' AND key.id IN (
    SELECT named.id FROM json_each(?1) AS wanted
    CROSS JOIN key AS named INDEXED BY key_external_id
        ON named.workspace_id = wanted.value ->> 0
        AND named.external_id = wanted.value ->> 1 AND named.external_id IS NOT NULL
)
