WHERE workspace_id = ?1 AND deleted_at IS NULL
    AND (?2 IS NULL OR (created_at, id) < (?2, ?3))
    AND (?4 IS NULL OR EXISTS (SELECT 1 FROM member_team WHERE team_id = team.id AND member_id = ?4))
    AND (?5 IS NULL OR name = ?5)
    AND (?6 IS NULL OR external_id = ?6)
ORDER BY created_at DESC, id DESC
LIMIT ?7
