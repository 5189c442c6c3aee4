DELETE FROM refusal_hitter WHERE day < ?1 / 86400000 AND ?2 > 0
