INSERT INTO key (
    id, workspace_id, member_id, team_id, name, hint, access, apis, environment, status, expires_at,
    rotate_every_days, previous_valid_until, rotation_started_at, paused, restrictions, external_id,
    metadata, created_at, rotated_at, last_used_at, archived_at, deleted_at, version
) VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
    ?22, ?23, ?24
)
