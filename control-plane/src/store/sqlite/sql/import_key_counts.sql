-- ?1 is a JSON array of workspaces.
SELECT key.workspace_id, COUNT(*)
FROM json_each(?1) AS wanted
CROSS JOIN key INDEXED BY key_name_live
    ON key.workspace_id = wanted.value AND key.status IN ('active', 'disabled')
GROUP BY key.workspace_id
