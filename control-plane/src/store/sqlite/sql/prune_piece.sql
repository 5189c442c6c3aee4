-- The last of the next ?1 events that were pruned and are there still.
SELECT count(*), max(seq) FROM (
    SELECT seq FROM audit_event WHERE seq <= (SELECT pruned FROM audit_log WHERE id = 1) ORDER BY seq LIMIT ?1
)
