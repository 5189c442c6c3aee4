-- What usage reports write (last_used_at, ?21 of the insert) is left alone.
UPDATE key SET
    member_id = ?3, team_id = ?4, name = ?5, hint = ?6, access = ?7, apis = ?8, environment = ?9,
    status = ?10, expires_at = ?11, rotate_every_days = ?12, previous_valid_until = ?13,
    rotation_started_at = ?14, paused = ?15, restrictions = ?16, external_id = ?17, metadata = ?18,
    rotated_at = ?20, archived_at = COALESCE(?22, archived_at), deleted_at = ?23, version = ?24
WHERE id = ?1 AND workspace_id = ?2 AND created_at = ?19 AND version = ?24 - 1
