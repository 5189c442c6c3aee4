-- Which deployment the database is of. Secrets are told apart by their ids, which tell nothing of them.
CREATE TABLE identity (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    deployment TEXT    NOT NULL,
    pepper     INTEGER NOT NULL,
    kek        INTEGER NOT NULL
) STRICT;
