-- ?1 is a JSON array of [workspace, name].
SELECT key.workspace_id, key.name, key.id
FROM json_each(?1) AS wanted
CROSS JOIN key INDEXED BY key_name_live
    ON key.workspace_id = wanted.value ->> 0 AND key.name = wanted.value ->> 1
    AND key.status IN ('active', 'disabled')
