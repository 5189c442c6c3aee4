-- ?1 is a JSON array of key ids in ascending order. No text here holds a control character: the JSON
-- columns escape them. A status has no comma.
SELECT
    coalesce(group_concat(key.id), ''), coalesce(group_concat(key.member_id), ''),
    coalesce(group_concat(key.workspace_id), ''),
    coalesce(group_concat(key.status), ''), coalesce(group_concat(key.paused), ''),
    coalesce(group_concat(key.access || char(31) || key.apis || char(31) || key.restrictions, char(30)), '')
FROM json_each(?1) AS wanted
CROSS JOIN key ON key.id = wanted.value
