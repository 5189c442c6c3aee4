-- Members by their address and by another system's name for them, teams as they are listed, the keys
-- that go with a member, and the secrets that a workspace can show again.
CREATE UNIQUE INDEX member_email ON member (workspace_id, email) WHERE deleted_at IS NULL AND email IS NOT NULL;
CREATE INDEX member_external_id ON member (workspace_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX team_workspace ON team (workspace_id, created_at, id);
CREATE INDEX key_member_live ON key (member_id, id) WHERE status IN ('active', 'disabled');
CREATE INDEX secret_sealed ON secret (key_id) WHERE sealed_secret IS NOT NULL;
