-- ?1 is a JSON array of workspace ids in ascending order. Neither a slug nor a status has a comma.
SELECT
    coalesce(group_concat(workspace.id), ''), coalesce(group_concat(workspace.slug), ''),
    coalesce(group_concat(workspace.status), '')
FROM json_each(?1) AS wanted
CROSS JOIN workspace ON workspace.id = wanted.value
