UPDATE token SET revoked_at = ?2 WHERE member_id = ?1 AND revoked_at IS NULL
RETURNING id, name, expires_at IS NULL OR expires_at > ?2
