WHERE workspace_id = ?1 AND deleted_at IS NULL
    AND (?2 IS NULL OR (created_at, id) < (?2, ?3))
    AND (?4 IS NULL OR id = ?4)
    AND (?5 IS NULL OR kind = ?5)
    AND (?6 IS NULL OR role = ?6)
    AND (?7 IS NULL OR EXISTS (SELECT 1 FROM member_team WHERE member_id = member.id AND team_id = ?7))
    AND (?8 IS NULL OR lower(email) = lower(?8))
    AND (?9 IS NULL OR external_id = ?9)
ORDER BY created_at DESC, id DESC
LIMIT ?10
