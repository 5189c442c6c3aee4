-- ?1 is a JSON array of [event, what finds it]: those that are not found so.
SELECT asked.value ->> 0 FROM json_each(?1) AS asked
WHERE NOT EXISTS (
    SELECT 1 FROM audit_search
    WHERE audit_search MATCH (asked.value ->> 1) AND audit_search.rowid = (asked.value ->> 0)
)
