-- A silence longer than ?5 is a gap: nobody knows what edges counted that are gone. So is a clock that was set back
-- by more than ?8, for how long it was silent is not known then.
INSERT INTO usage_bound (id, first_report_at, reported_at, newest_until, gap_at, unnamed_at, samples, strangers)
VALUES (1, ?1, ?1, ?2, ?3, ?4, ?6, ?7)
ON CONFLICT (id) DO UPDATE SET
    gap_at = CASE
        WHEN excluded.reported_at - reported_at NOT BETWEEN -?8 AND ?5 THEN excluded.reported_at
        ELSE coalesce(excluded.gap_at, gap_at)
    END,
    reported_at = excluded.reported_at, newest_until = max(newest_until, excluded.newest_until),
    unnamed_at = coalesce(excluded.unnamed_at, unnamed_at), samples = samples + excluded.samples,
    strangers = strangers + excluded.strangers
RETURNING samples, strangers
