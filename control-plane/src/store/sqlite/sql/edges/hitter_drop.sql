-- Nothing is put in order while there are places left.
DELETE FROM refusal_hitter
WHERE day = ?1 AND kind = ?2
    AND (SELECT count(*) FROM refusal_hitter WHERE day = ?1 AND kind = ?2) > ?3
    AND (who, reason) NOT IN (
        SELECT who, reason FROM refusal_hitter WHERE day = ?1 AND kind = ?2 ORDER BY count DESC, last_at DESC LIMIT ?3
    )
