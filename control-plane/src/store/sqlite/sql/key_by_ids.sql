-- ?2 is a JSON array of identifiers.
WHERE key.workspace_id = ?1 AND key.status <> 'deleted' AND key.id IN (SELECT value FROM json_each(?2))
