  AND secret.fingerprint = ?1
