-- {sort}, {order} and {beyond} are filled in from a fixed table; values are always bound. {beyond} is
-- left empty on a first page: a condition that might not hold keeps an index from being entered there.
WHERE key.workspace_id = ?1
    AND CASE ?2
        WHEN 'active' THEN key.status = 'active' AND (key.expires_at IS NULL OR key.expires_at > ?3)
        WHEN 'expired' THEN key.status = 'active' AND key.expires_at <= ?3
        WHEN 'disabled' THEN key.status = 'disabled'
        WHEN 'archived' THEN key.id IN (
            SELECT id FROM key WHERE workspace_id = ?1 AND status = 'archived'
            ORDER BY archived_at DESC, id DESC LIMIT ?4
        )
        ELSE key.status IN ('active', 'disabled')
    END
    AND (?5 IS NULL OR key.name = ?5)
    AND (?6 IS NULL OR key.member_id = ?6)
    AND (?7 IS NULL OR key.team_id = ?7)
    AND (?8 IS NULL OR key.access = ?8)
    AND (?9 IS NULL OR EXISTS (SELECT 1 FROM json_each(key.apis) WHERE value IN ('*', ?9)))
    AND (?10 IS NULL OR key.environment = ?10)
    AND (?11 IS NULL OR COALESCE(key.last_used_at, key.created_at) < ?11)
    AND (?12 IS NULL OR key.expires_at < ?12)
    AND (
        ?13 IS NULL
        OR ?13 = (key.rotate_every_days IS NOT NULL AND key.rotated_at + key.rotate_every_days * 86400000 <= ?3)
    )
    AND (?14 IS NULL OR key.external_id = ?14)
    AND (?18 IS NULL OR ?18 = (key.status = 'disabled'))
    {beyond}
ORDER BY {sort} {order}, key.id {order}
LIMIT ?17
