SELECT m.workspace_id, m.name, m.role, w.staff_max_access,
    (
        SELECT json_group_array(mt.team_id)
        FROM member_team AS mt JOIN team AS t ON t.id = mt.team_id
        WHERE mt.member_id = m.id AND t.deleted_at IS NULL
    ) AS team_ids
FROM member AS m JOIN workspace AS w ON w.id = m.workspace_id
WHERE m.id = ?1 AND m.deleted_at IS NULL AND w.deleted_at IS NULL
