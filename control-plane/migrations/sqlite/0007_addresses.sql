-- An address is one member's, in capitals or not.
DROP INDEX member_email;
CREATE UNIQUE INDEX member_email ON member (workspace_id, lower(email)) WHERE deleted_at IS NULL AND email IS NOT NULL;
