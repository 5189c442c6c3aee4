-- Who made a token may have kept its text: it ends with them, or with their right to have made it.
ALTER TABLE token ADD COLUMN made_by INTEGER REFERENCES member (id);
CREATE INDEX token_made_by ON token (made_by) WHERE made_by IS NOT NULL AND revoked_at IS NULL;
-- Tokens that ended are many where a program makes one a day, and are never asked for.
DROP INDEX token_member;
CREATE INDEX token_member ON token (member_id) WHERE revoked_at IS NULL;
-- The older secrets that are still kept to be shown again, to be erased when their time is over.
CREATE INDEX secret_sealed_retiring ON secret (key_id) WHERE sealed_secret IS NOT NULL AND slot = 1;
