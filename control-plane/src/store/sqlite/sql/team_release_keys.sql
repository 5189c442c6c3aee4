UPDATE key SET team_id = NULL, version = version + 1 WHERE team_id = ?1 AND status <> 'deleted'
RETURNING id, name
