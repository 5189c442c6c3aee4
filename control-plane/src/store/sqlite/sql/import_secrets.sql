-- ?1 is a JSON array of fingerprints in hexadecimal.
SELECT secret.fingerprint
FROM json_each(?1) AS wanted
CROSS JOIN secret ON secret.fingerprint = unhex(wanted.value)
