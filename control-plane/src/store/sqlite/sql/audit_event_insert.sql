INSERT INTO audit_event (
    seq, at, actor_kind, actor_id, actor_name, actor_ip, on_behalf_of, action, entity, target_id,
    target_name, workspace_id, team_id, actor_team_ids, reason, details, request_id, generation, hash
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
