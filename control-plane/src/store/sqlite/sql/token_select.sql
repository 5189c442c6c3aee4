SELECT id, member_id, name, scopes, created_at, expires_at, revoked_at FROM token
