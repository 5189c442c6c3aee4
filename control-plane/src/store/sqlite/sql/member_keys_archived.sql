-- Archived ones too.
WHERE key.member_id = ?1 AND key.id >= ?2 AND key.status <> 'deleted'
ORDER BY key.id
LIMIT ?3
