DELETE FROM refusal_sample WHERE place IN (SELECT place FROM refusal_sample WHERE at < ?1 LIMIT ?2)
