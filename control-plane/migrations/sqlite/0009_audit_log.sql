-- The Merkle tree over the events' hashes (RFC 6962): every complete subtree, a leaf too, by its place in the
-- order in which a walk from left to right meets them.
CREATE TABLE audit_node (
    place INTEGER PRIMARY KEY,
    hash  BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE audit_log (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- Events in the tree.
    size        INTEGER NOT NULL,
    -- Events up to here were exported and dropped: the size of a checkpoint.
    pruned      INTEGER NOT NULL,
    -- Raised where a restored database cannot go on from what was signed.
    incarnation INTEGER NOT NULL
) STRICT;
INSERT INTO audit_log (id, size, pruned, incarnation) VALUES (1, 0, 0, 1);

CREATE TABLE audit_checkpoint (
    incarnation INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    at          INTEGER NOT NULL,
    -- The signed note.
    note        TEXT    NOT NULL,
    PRIMARY KEY (incarnation, size)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_checkpoint_at ON audit_checkpoint (at);

-- Which events an hour has, and which a second, so that a range of time is a range of events however clocks went
-- and however many there are of an hour.
CREATE TABLE audit_time (
    -- How long it is, in milliseconds.
    span      INTEGER NOT NULL,
    -- How many of that length were before it.
    number    INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    PRIMARY KEY (span, number)
) STRICT, WITHOUT ROWID;

-- What events are found by: nothing is kept here but where words stand.
CREATE VIRTUAL TABLE audit_search USING fts5 (
    facets, words, content = '', contentless_delete = 1, detail = 'column', tokenize = "ascii tokenchars '_'"
);
-- Where each word of it stands.
CREATE VIRTUAL TABLE audit_place USING fts5vocab (audit_search, instance);
DROP INDEX audit_event_workspace;
