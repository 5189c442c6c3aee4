-- The index's words, each with those of the events ?1 to ?2 that it is in. It is read in its own order, so nothing
-- is sorted.
SELECT term, group_concat(doc, ' ') FROM temp.audit_words
WHERE col = 'words' AND doc BETWEEN ?1 AND ?2
GROUP BY term
