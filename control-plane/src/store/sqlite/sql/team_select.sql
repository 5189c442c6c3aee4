SELECT id, workspace_id, name, external_id, created_at, version FROM team
