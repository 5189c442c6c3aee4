-- What was published. An object is recorded before it is written anywhere, a head before it is served.

CREATE TABLE snapshot_object (
    name         BLOB    PRIMARY KEY CHECK (length(name) = 32),
    bytes        BLOB    NOT NULL,
    -- 'staged' until a head names it, then 'named', then 'retired'.
    state        TEXT    NOT NULL CHECK (state IN ('staged', 'named', 'retired')),
    -- When Workers KV acknowledged it.
    sent_at      INTEGER,
    -- When the last head that named it expires.
    named_until  INTEGER
) STRICT;
CREATE INDEX snapshot_object_unsent ON snapshot_object (state) WHERE sent_at IS NULL;
CREATE INDEX snapshot_object_retired ON snapshot_object (named_until) WHERE state = 'retired';

-- The newest head, and the newest that Workers KV acknowledged.
CREATE TABLE snapshot_head (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    epoch           INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    issued_at       INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    tree_generation INTEGER NOT NULL,
    bytes           BLOB    NOT NULL,
    sent_epoch      INTEGER,
    sent_generation INTEGER,
    sent_issued_at  INTEGER,
    sent_at         INTEGER
) STRICT;

INSERT INTO lease (id, holder, epoch, until) VALUES (1, NULL, 0, 0);
