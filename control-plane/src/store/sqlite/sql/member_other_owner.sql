SELECT EXISTS (
    SELECT 1 FROM member
    WHERE workspace_id = ?1 AND id <> ?2 AND role = 'owner' AND is_default = 0 AND deleted_at IS NULL
)
