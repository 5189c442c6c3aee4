SELECT
    seq, at, actor_kind, actor_id, actor_name, actor_ip, on_behalf_of, action, entity, target_id, target_name,
    workspace_id, team_id, actor_team_ids, reason, details, request_id, generation, hash
FROM audit_event
