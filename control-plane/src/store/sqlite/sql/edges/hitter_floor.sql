-- What may have been counted of somebody who has no place: nothing, while there are places left.
SELECT CASE WHEN count(*) >= ?3 THEN min(count) ELSE 0 END FROM refusal_hitter WHERE day = ?1 AND kind = ?2
