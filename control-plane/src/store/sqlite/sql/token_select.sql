SELECT id, member_id, name, scopes, made_by, created_at, expires_at, revoked_at FROM token
