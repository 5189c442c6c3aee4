  AND secret.fingerprint BETWEEN ?1 AND ?2
ORDER BY secret.fingerprint
