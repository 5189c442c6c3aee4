-- ?1 is a JSON array of keys, each the array of its values.
INSERT INTO key (
    id, workspace_id, member_id, team_id, name, hint, access, apis, environment, status, expires_at,
    rotate_every_days, paused, restrictions, external_id, metadata, created_at, rotated_at, version
)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, 0, value ->> 12, value ->> 13, value ->> 14,
    value ->> 15, value ->> 16, value ->> 17
FROM json_each(?1)
