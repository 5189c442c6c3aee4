DELETE FROM refusal_untold WHERE day < ?1 / 86400000 AND ?2 > 0
