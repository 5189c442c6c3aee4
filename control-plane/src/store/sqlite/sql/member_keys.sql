-- In the words of the index on live keys.
WHERE key.member_id = ?1 AND key.id >= ?2 AND key.status IN ('active', 'disabled')
ORDER BY key.id
LIMIT ?3
