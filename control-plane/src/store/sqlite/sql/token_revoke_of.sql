UPDATE token SET revoked_at = ?2
WHERE member_id = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)
RETURNING id, member_id, name, scopes, made_by, created_at, expires_at, revoked_at
