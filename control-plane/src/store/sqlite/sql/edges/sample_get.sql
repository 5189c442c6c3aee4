SELECT refusal_sample.at, refusal_sample.reason, refusal_sample.fingerprint
FROM edge
JOIN refusal_sample ON refusal_sample.edge_id = edge.id
WHERE edge.instance = ?1 AND refusal_sample.ordinal = ?2
