SELECT
    secret.fingerprint, secret.slot, secret.deadline_s, key.id AS key_id, key.member_id, key.access,
    key.apis, key.restrictions, key.status, key.paused, workspace.id AS workspace_id, workspace.slug,
    workspace.status AS workspace_status
FROM secret
JOIN key ON key.id = secret.key_id
JOIN workspace ON workspace.id = key.workspace_id
WHERE secret.live = 1 AND secret.slot IS NOT NULL
