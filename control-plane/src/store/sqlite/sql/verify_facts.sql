-- How the log counts itself, and how many events of those there are; ?1 is the most that are looked for.
WITH told AS (
    SELECT
        (SELECT size FROM audit_log WHERE id = 1) AS size,
        (SELECT pruned FROM audit_log WHERE id = 1) AS pruned,
        (SELECT incarnation FROM audit_log WHERE id = 1) AS incarnation,
        (SELECT audit_seq FROM counter WHERE id = 1) AS counted
)
SELECT
    size, pruned, incarnation, counted,
    (
        SELECT max(seq) FROM audit_event
        WHERE seq BETWEEN 1 AND min(?1, max(coalesce(told.size, 0), coalesce(told.counted, 0)))
    ) AS last,
    (SELECT count(*) FROM audit_node) AS nodes
FROM told
