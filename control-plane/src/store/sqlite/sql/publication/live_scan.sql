-- One row for all secrets of a range: a row for each would cost more than reading it.
SELECT
    coalesce(CAST(group_concat(fingerprint, '') AS BLOB), x''), coalesce(group_concat(key_id), ''),
    coalesce(group_concat(slot), ''), coalesce(group_concat(coalesce(deadline_s, '')), '')
FROM secret INDEXED BY secret_live
WHERE live = 1 AND slot IS NOT NULL AND fingerprint BETWEEN ?1 AND ?2
