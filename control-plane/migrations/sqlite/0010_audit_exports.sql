-- Exports of the audit log that go by mail: on their way, or to be fetched by a link, or asked for within a day. The
-- file of such a one is in the data directory.
CREATE TABLE audit_export (
    id           TEXT    PRIMARY KEY,
    recipient    TEXT    NOT NULL,
    format       TEXT    NOT NULL,
    -- JSON.
    filter       TEXT    NOT NULL,
    -- The only workspace that whoever asked sees.
    workspace_id INTEGER,
    -- Whoever asked: by which token, as which member, for which one. What they may do is asked again.
    token_id     INTEGER,
    member_id    INTEGER,
    on_behalf_of INTEGER,
    created_at   INTEGER NOT NULL,
    -- How often it was tried.
    failures     INTEGER NOT NULL,
    -- When it is to be sent; NULL once it was, or never will be.
    due_at       INTEGER,
    -- SHA-256 of what opens the link.
    secret_hash  BLOB    CHECK (length(secret_hash) = 32),
    -- What the file is called.
    file_name    TEXT,
    expires_at   INTEGER
) STRICT;
CREATE INDEX audit_export_due ON audit_export (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX audit_export_expires ON audit_export (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX audit_export_asked ON audit_export (workspace_id, created_at);
