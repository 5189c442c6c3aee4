UPDATE key SET
    status = 'deleted', deleted_at = ?2, version = version + 1,
    previous_valid_until = NULL, rotation_started_at = NULL, paused = 0
WHERE id IN (SELECT value FROM json_each(?1)) AND status <> 'deleted'
