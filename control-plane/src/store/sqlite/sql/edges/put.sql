-- Of a new edge it is known from ?11 on, and up to there.
INSERT INTO edge (instance, location, software, lanes, state, peppers, epoch, generation, sequence, parts, digest,
                  first_seen_at, seen_at, until, counters)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?13, ?10, ?10, ?11, ?12)
ON CONFLICT (instance) DO UPDATE
SET location = excluded.location, software = excluded.software, lanes = excluded.lanes, state = excluded.state,
    peppers = excluded.peppers, epoch = excluded.epoch, generation = excluded.generation,
    older_digest = CASE WHEN excluded.sequence = sequence + 1 THEN digest END, digest = excluded.digest,
    sequence = excluded.sequence, parts = 0, seen_at = excluded.seen_at, counters = excluded.counters
RETURNING id
