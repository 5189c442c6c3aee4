-- What every transaction ends with, in one go: each statement by itself is a way to the database and back.
UPDATE counter SET audit_seq = ?1 WHERE id = 1;
-- ?3 is a JSON array of events, each the array of its values.
INSERT INTO audit_event (
    generation, seq, at, actor_kind, actor_id, actor_name, actor_ip, on_behalf_of, action, entity, target_id,
    target_name, workspace_id, team_id, actor_team_ids, reason, details, request_id, hash
)
SELECT
    ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15,
    value ->> 16, unhex(value ->> 17)
FROM json_each(?3);
