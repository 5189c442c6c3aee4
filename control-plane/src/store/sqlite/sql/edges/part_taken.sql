-- What an edge counted is known up to ?3 when the last part of what it tells is taken.
UPDATE edge SET parts = ?2, until = coalesce(?3, until) WHERE id = ?1
