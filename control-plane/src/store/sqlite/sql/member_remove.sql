-- The member's keys are deleted, or are others', by now.
UPDATE member SET deleted_at = ?2, version = version + 1
WHERE id = ?1 AND is_default = 0 AND deleted_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM key WHERE member_id = ?1 AND status <> 'deleted')
