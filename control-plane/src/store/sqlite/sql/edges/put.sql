INSERT INTO edge (instance, location, software, lanes, state, peppers, epoch, generation, issued_at, sequence, parts,
                  first_seen_at, seen_at, since, until, gap_at, counters)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT (instance) DO UPDATE
SET location = excluded.location, software = excluded.software, lanes = excluded.lanes, state = excluded.state,
    peppers = excluded.peppers, epoch = excluded.epoch, generation = excluded.generation,
    issued_at = excluded.issued_at, sequence = excluded.sequence, parts = 0, seen_at = excluded.seen_at,
    since = excluded.since, until = excluded.until, gap_at = coalesce(excluded.gap_at, gap_at),
    counters = excluded.counters
RETURNING id
