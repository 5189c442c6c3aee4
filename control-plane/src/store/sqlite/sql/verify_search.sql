-- Which events from ?2 to ?3 are found by each word of a JSON array.
SELECT asked.value, audit_search.rowid
FROM json_each(?1) AS asked CROSS JOIN audit_search
WHERE
    audit_search MATCH ('facets : "' || asked.value || '"')
    AND audit_search.rowid BETWEEN ?2 AND ?3
