SELECT
    key.id, key.workspace_id, key.member_id, key.team_id, key.name, key.hint, key.access, key.apis,
    key.environment, key.status, key.expires_at, key.rotate_every_days, key.previous_valid_until,
    key.rotation_started_at, key.paused, key.restrictions, key.external_id, key.metadata,
    key.created_at, key.rotated_at, key.last_used_at, key.archived_at, key.version,
    member.name AS member_name, member.role AS member_role,
    newest.fingerprint AS current_fingerprint, newest.hint AS current_hint,
    newest.created_at AS current_created_at,
    older.fingerprint AS retiring_fingerprint, older.hint AS retiring_hint,
    older.created_at AS retiring_created_at
FROM key
JOIN member ON member.id = key.member_id
LEFT JOIN secret AS newest ON newest.key_id = key.id AND newest.slot = 0
LEFT JOIN secret AS older ON older.key_id = key.id AND older.slot = 1
