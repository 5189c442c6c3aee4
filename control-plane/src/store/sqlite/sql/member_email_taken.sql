SELECT EXISTS (
    SELECT 1 FROM member
    WHERE workspace_id = ?1 AND lower(email) = lower(?2) AND deleted_at IS NULL AND email IS NOT NULL
        AND (?3 IS NULL OR id <> ?3)
)
