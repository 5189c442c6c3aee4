-- The first member of a workspace is its default.
INSERT INTO member (id, workspace_id, kind, email, name, role, external_id, created_at, version, is_default)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
    NOT EXISTS (SELECT 1 FROM member WHERE workspace_id = ?2)
)
