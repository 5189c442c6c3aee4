SELECT
    key.id, key.workspace_id, key.member_id, key.team_id, key.name, key.hint, key.access, key.apis,
    key.environment, key.status, key.expires_at, key.rotate_every_days, key.previous_valid_until,
    key.rotation_started_at, key.paused, key.restrictions, key.external_id, key.metadata,
    key.created_at, key.rotated_at, key.last_used_at, key.archived_at, key.version,
    member.name AS member_name, member.role AS member_role,
    newest.fingerprint AS current_fingerprint, newest.hint AS current_hint,
    newest.created_at AS current_created_at,
    older.fingerprint AS retiring_fingerprint, older.hint AS retiring_hint,
    older.created_at AS retiring_created_at,
    newest_usage.last_used_at AS current_last_used_at, newest_usage.last_denied_at AS current_last_denied_at,
    newest_usage.denied_since AS current_denied_since,
    older_usage.last_used_at AS retiring_last_used_at, older_usage.last_denied_at AS retiring_last_denied_at,
    older_usage.denied_since AS retiring_denied_since,
    (SELECT status = 'suspended' FROM workspace WHERE id = key.workspace_id) AS suspended
FROM key
JOIN member ON member.id = key.member_id
LEFT JOIN secret AS newest ON newest.key_id = key.id AND newest.slot = 0
LEFT JOIN secret AS older ON older.key_id = key.id AND older.slot = 1
LEFT JOIN secret_usage AS newest_usage ON newest_usage.secret_id = newest.id
LEFT JOIN secret_usage AS older_usage ON older_usage.secret_id = older.id
