-- A generation that was committed has an event, unless events of its time are pruned. Counters can be raised past
-- others, which nobody committed.
SELECT ?1 BETWEEN 1 AND (SELECT generation FROM counter WHERE id = 1)
           AND (event.at IS NOT NULL OR ?1 < coalesce((SELECT min(generation) FROM audit_event), ?1 + 1)),
       event.at
FROM (SELECT min(at) AS at FROM audit_event WHERE generation = ?1) AS event
