WHERE member_id = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)
    AND (?3 IS NULL OR (created_at, id) < (?3, ?4))
ORDER BY created_at DESC, id DESC
LIMIT ?5
