SELECT EXISTS (SELECT 1 FROM secret WHERE fingerprint = ?1)
