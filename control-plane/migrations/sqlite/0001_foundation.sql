-- Identifiers are 64 random bits, stored as the signed integer of the same bits. Instants are
-- milliseconds since the Unix epoch. JSON is TEXT. Nothing here holds a secret in the clear.

-- The one row whose lock orders all mutations: whoever changes it holds it to commit, so that a
-- later number is never visible before an earlier one.
CREATE TABLE counter (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    audit_seq  INTEGER NOT NULL,
    api_number INTEGER NOT NULL
) STRICT;
INSERT INTO counter (id, epoch, generation, audit_seq, api_number) VALUES (1, 0, 0, 0, 0);

CREATE TABLE workspace (
    id               INTEGER PRIMARY KEY,
    name             TEXT    NOT NULL,
    slug             TEXT    NOT NULL,
    status           TEXT    NOT NULL CHECK (status IN ('active', 'suspended')),
    staff_max_access TEXT    NOT NULL CHECK (staff_max_access IN ('read-only', 'read-write')),
    reveal           TEXT    NOT NULL CHECK (reveal IN ('once', 'sealed')),
    max_keys         INTEGER,
    external_id      TEXT,
    metadata         TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    deleted_at       INTEGER
) STRICT;
CREATE UNIQUE INDEX workspace_slug ON workspace (slug) WHERE deleted_at IS NULL;
CREATE INDEX workspace_newest ON workspace (created_at, id) WHERE deleted_at IS NULL;

CREATE TABLE member (
    id           INTEGER PRIMARY KEY,
    workspace_id INTEGER NOT NULL REFERENCES workspace (id),
    kind         TEXT    NOT NULL CHECK (kind IN ('person', 'machine')),
    email        TEXT,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'staff', 'read-only', 'lite')),
    -- 1 for the machine that a workspace is made with: keys that name no member are its.
    is_default   INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    external_id  TEXT,
    created_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    deleted_at   INTEGER
) STRICT;
CREATE INDEX member_workspace ON member (workspace_id, created_at, id);
CREATE UNIQUE INDEX member_default ON member (workspace_id) WHERE is_default = 1;

CREATE TABLE team (
    id           INTEGER PRIMARY KEY,
    workspace_id INTEGER NOT NULL REFERENCES workspace (id),
    name         TEXT    NOT NULL,
    external_id  TEXT,
    created_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    deleted_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX team_name ON team (workspace_id, name) WHERE deleted_at IS NULL;

CREATE TABLE member_team (
    member_id INTEGER NOT NULL REFERENCES member (id),
    team_id   INTEGER NOT NULL REFERENCES team (id),
    PRIMARY KEY (member_id, team_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_team_team ON member_team (team_id);

CREATE TABLE token (
    id         INTEGER PRIMARY KEY,
    -- NULL is an operator's.
    member_id  INTEGER REFERENCES member (id),
    name       TEXT    NOT NULL,
    -- SHA-256 of the token's text, which has 256 random bits.
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX token_member ON token (member_id);

CREATE TABLE api (
    -- Never used again, so rows stay.
    number     INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 65534),
    name       TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    routes     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX api_name ON api (name) WHERE deleted_at IS NULL;

-- No row means the defaults.
CREATE TABLE setting (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    value   TEXT    NOT NULL,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE key (
    id                   INTEGER PRIMARY KEY,
    workspace_id         INTEGER NOT NULL REFERENCES workspace (id),
    member_id            INTEGER NOT NULL REFERENCES member (id),
    team_id              INTEGER REFERENCES team (id),
    name                 TEXT    NOT NULL,
    hint                 TEXT,
    access               TEXT    NOT NULL CHECK (access IN ('read-only', 'read-write')),
    -- ["*"], or numbers of APIs in ascending order.
    apis                 TEXT    NOT NULL,
    environment          TEXT    NOT NULL CHECK (environment IN ('live', 'test')),
    status               TEXT    NOT NULL CHECK (status IN ('active', 'disabled', 'archived', 'deleted')),
    expires_at           INTEGER,
    rotate_every_days    INTEGER,
    previous_valid_until INTEGER,
    rotation_started_at  INTEGER,
    paused               INTEGER NOT NULL CHECK (paused IN (0, 1)),
    restrictions         TEXT    NOT NULL,
    external_id          TEXT,
    metadata             TEXT    NOT NULL,
    created_at           INTEGER NOT NULL,
    -- When the current secret was made.
    rotated_at           INTEGER NOT NULL,
    last_used_at         INTEGER,
    archived_at          INTEGER,
    deleted_at           INTEGER,
    version              INTEGER NOT NULL,
    CHECK ((previous_valid_until IS NULL) = (rotation_started_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX key_name_live ON key (workspace_id, name) WHERE status IN ('active', 'disabled');
CREATE INDEX key_workspace ON key (workspace_id, created_at, id);
CREATE INDEX key_archived ON key (workspace_id, archived_at, id) WHERE status = 'archived';
CREATE INDEX key_member ON key (member_id);
CREATE INDEX key_team ON key (team_id) WHERE team_id IS NOT NULL;
CREATE INDEX key_external_id ON key (workspace_id, external_id) WHERE external_id IS NOT NULL;

-- Rows stay for ever, so that a secret is never accepted twice.
CREATE TABLE secret (
    id            INTEGER PRIMARY KEY,
    key_id        INTEGER NOT NULL REFERENCES key (id),
    -- 0 current, 1 retiring, NULL final.
    slot          INTEGER CHECK (slot IN (0, 1)),
    fingerprint   BLOB    NOT NULL UNIQUE CHECK (length(fingerprint) = 16),
    sealed_digest BLOB    NOT NULL,
    -- The secret itself, where the workspace lets it be shown again.
    sealed_secret BLOB,
    hint          TEXT,
    -- Seconds since the epoch; NULL is never.
    deadline_s    INTEGER,
    -- 1 while a snapshot holds a record of it.
    live          INTEGER NOT NULL CHECK (live IN (0, 1)),
    created_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    CHECK ((live = 1) = (ended_at IS NULL)),
    CHECK (slot IS NULL OR live = 1)
) STRICT;
CREATE UNIQUE INDEX secret_slot ON secret (key_id, slot) WHERE slot IS NOT NULL;
CREATE INDEX secret_live ON secret (live, fingerprint);
CREATE INDEX secret_key ON secret (key_id);

-- What a mutation touched, for the publisher. An empty fingerprint is the settings object.
CREATE TABLE outbox (
    generation          INTEGER NOT NULL,
    fingerprint         BLOB    NOT NULL CHECK (length(fingerprint) IN (0, 16)),
    narrowing           INTEGER NOT NULL CHECK (narrowing IN (0, 1)),
    entries_of_mutation INTEGER NOT NULL,
    PRIMARY KEY (generation, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_event (
    seq            INTEGER PRIMARY KEY,
    at             INTEGER NOT NULL,
    actor_kind     TEXT    NOT NULL,
    actor_id       TEXT,
    actor_name     TEXT    NOT NULL,
    actor_ip       TEXT,
    on_behalf_of   TEXT,
    action         TEXT    NOT NULL,
    entity         TEXT    NOT NULL,
    target_id      TEXT    NOT NULL,
    target_name    TEXT    NOT NULL,
    workspace_id   INTEGER,
    team_id        INTEGER,
    actor_team_ids TEXT    NOT NULL,
    reason         TEXT,
    details        TEXT    NOT NULL,
    request_id     TEXT    NOT NULL,
    generation     INTEGER NOT NULL,
    -- SHA-256 of the event's canonical form.
    hash           BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_event_workspace ON audit_event (workspace_id, seq);
CREATE INDEX audit_event_target ON audit_event (target_id, seq);
CREATE INDEX audit_event_generation ON audit_event (generation);

CREATE TABLE idempotency (
    -- HMAC of the token and the Idempotency-Key.
    id            BLOB    PRIMARY KEY CHECK (length(id) = 32),
    request_hash  BLOB    NOT NULL CHECK (length(request_hash) = 32),
    sealed_answer BLOB    NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- Who publishes.
CREATE TABLE lease (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    holder TEXT,
    epoch  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT;
