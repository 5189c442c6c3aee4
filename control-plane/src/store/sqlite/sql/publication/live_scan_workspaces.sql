-- ?1 is a JSON array of workspace ids in ascending order. A slug has no comma.
SELECT
    coalesce(group_concat(workspace.id), ''), coalesce(group_concat(workspace.slug), ''),
    coalesce(group_concat(workspace.status = 'suspended'), '')
FROM json_each(?1) AS wanted
CROSS JOIN workspace ON workspace.id = wanted.value
