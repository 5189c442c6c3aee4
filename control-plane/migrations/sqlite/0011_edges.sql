-- What edges report: which of them there are, what each has applied, and how secrets are used.

-- An edge: one isolate, from its first report on.
CREATE TABLE edge (
    id            INTEGER PRIMARY KEY,
    -- Drawn by chance when the isolate began.
    instance      BLOB    NOT NULL UNIQUE CHECK (length(instance) = 10),
    -- In the platform's words; empty where it does not tell.
    location      TEXT    NOT NULL,
    -- The version of its software.
    software      TEXT    NOT NULL,
    -- Where it reads heads from: 1 Workers KV, 2 http, 3 both.
    lanes         INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    -- JSON: the identifiers of its peppers, in hexadecimal digits.
    peppers       TEXT    NOT NULL,
    -- The head that it holds, and since when; NULL without one.
    epoch         INTEGER,
    generation    INTEGER,
    applied_at    INTEGER,
    -- Of its newest report, and how many of that one's parts were taken.
    sequence      INTEGER NOT NULL,
    parts         INTEGER NOT NULL,
    -- SHA-256 of that report, and of the one before it; NULL where that did not come. Another one under the same
    -- number is somebody else's.
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),
    older_digest BLOB    CHECK (length(older_digest) = 32),
    first_seen_at INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    -- Up to when it told all that it had counted, by its own clock, and never later than that was heard.
    until         INTEGER NOT NULL,
    -- The newest generation of which it is no more known when it was applied; NULL where all is known.
    forgotten     INTEGER,
    -- JSON: all that it ever counted, by the counters' words.
    counters      TEXT    NOT NULL
) STRICT;
CREATE INDEX edge_seen ON edge (seen_at, id);

-- When an edge began to judge by a generation, by its own clock.
CREATE TABLE edge_applied (
    edge_id    INTEGER NOT NULL REFERENCES edge (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    -- When it told so, by the clock here.
    told_at    INTEGER NOT NULL,
    PRIMARY KEY (edge_id, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_applied_generation ON edge_applied (generation);
CREATE INDEX edge_applied_told ON edge_applied (told_at);
CREATE TRIGGER edge_applied_forgotten AFTER DELETE ON edge_applied
BEGIN
    UPDATE edge SET forgotten = max(coalesce(forgotten, 0), OLD.generation) WHERE id = OLD.edge_id;
END;

-- Heads that raised the generation.
CREATE TABLE published (
    generation      INTEGER PRIMARY KEY,
    epoch           INTEGER NOT NULL,
    published_at    INTEGER NOT NULL,
    -- When it was in Workers KV; NULL where it is not yet.
    sent_at         INTEGER,
    -- When the last of all heads before it has expired; NULL where there was none.
    older_expire_at INTEGER
) STRICT;
CREATE INDEX published_unsent ON published (generation) WHERE sent_at IS NULL;
CREATE INDEX published_at ON published (published_at);

-- What all reports together tell of usage; no row before the first.
CREATE TABLE usage_bound (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    first_report_at INTEGER NOT NULL,
    -- When the newest came.
    reported_at     INTEGER NOT NULL,
    -- Until when any edge told what it had counted.
    newest_until    INTEGER NOT NULL,
    -- When calls were lost that could have been a retiring secret's for the last time.
    gap_at          INTEGER,
    -- When calls were told of without their secrets for the last time.
    unnamed_at      INTEGER,
    -- Samples of refusals that ever came, of known secrets and of strangers: the next one's place in its ring.
    samples         INTEGER NOT NULL,
    strangers       INTEGER NOT NULL
) STRICT;

-- How a secret is used.
CREATE TABLE secret_usage (
    secret_id      INTEGER PRIMARY KEY REFERENCES secret (id) ON DELETE CASCADE,
    -- Calls that were allowed, and that were refused.
    calls          INTEGER NOT NULL,
    refused        INTEGER NOT NULL,
    last_used_at   INTEGER,
    last_denied_at INTEGER,
    -- The first refusal since its status began to refuse it.
    denied_since   INTEGER,
    -- When its status was last changed: refusals before are of another.
    denials_from   INTEGER
) STRICT;

-- Single refusals, found by the id of their request: that of an edge and the how manieth it was there.
CREATE TABLE refusal_sample (
    -- In two rings, where the oldest gives its place to the newest: of known secrets from 0 up, of strangers from -1
    -- down.
    place       INTEGER PRIMARY KEY,
    edge_id     INTEGER NOT NULL REFERENCES edge (id) ON DELETE CASCADE,
    ordinal     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    fingerprint BLOB,
    UNIQUE (edge_id, ordinal)
) STRICT;
CREATE INDEX refusal_sample_at ON refusal_sample (at);

-- Who was refused most on a day: a fingerprint, or a client address.
CREATE TABLE refusal_hitter (
    -- Days since 1970.
    day     INTEGER NOT NULL,
    -- 0 a fingerprint, 1 a client address.
    kind    INTEGER NOT NULL,
    who     BLOB    NOT NULL,
    reason  TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    -- By how much that may be too high.
    error   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (day, kind, who, reason)
) STRICT, WITHOUT ROWID;

-- How often on a day somebody may have been refused of whom no report told: each tells of so many only.
CREATE TABLE refusal_untold (
    day   INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, kind)
) STRICT, WITHOUT ROWID;
