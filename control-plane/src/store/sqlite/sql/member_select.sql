SELECT id, workspace_id, kind, email, name, role, is_default, external_id, created_at, version,
    (SELECT json_group_array(team_id) FROM member_team WHERE member_id = member.id) AS team_ids
FROM member
