UPDATE token SET revoked_at = ?2
WHERE revoked_at IS NULL AND member_id IN (SELECT id FROM member WHERE workspace_id = ?1)
