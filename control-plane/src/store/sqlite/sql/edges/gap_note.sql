UPDATE usage_bound SET gap_at = max(coalesce(gap_at, ?1), ?1)
