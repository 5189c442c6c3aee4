  AND secret.fingerprint IN (SELECT unhex(value) FROM json_each(?1))
