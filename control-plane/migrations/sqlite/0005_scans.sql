-- What a full build reads of secrets, in its order, so that it need not look up their rows.
DROP INDEX secret_live;
CREATE INDEX secret_live ON secret (fingerprint, key_id, slot, deadline_s) WHERE live = 1 AND slot IS NOT NULL;

-- The bytes of objects apart from what is noted of them: a note would write them anew.
CREATE TABLE snapshot_bytes (
    name  BLOB PRIMARY KEY CHECK (length(name) = 32),
    bytes BLOB NOT NULL
) STRICT;
INSERT INTO snapshot_bytes (name, bytes) SELECT name, bytes FROM snapshot_object;
ALTER TABLE snapshot_object ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
UPDATE snapshot_object SET size = length(bytes);
ALTER TABLE snapshot_object DROP COLUMN bytes;
