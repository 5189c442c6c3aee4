SELECT sealed_secret FROM secret WHERE fingerprint = ?1 AND sealed_secret IS NOT NULL
