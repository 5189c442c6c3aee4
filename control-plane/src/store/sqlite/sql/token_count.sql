SELECT COUNT(*) FROM token
WHERE member_id = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)
