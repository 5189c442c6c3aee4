-- 65535 stands for every API on the wire.
UPDATE counter SET api_number = api_number + 1 WHERE id = 1 AND api_number < 65534
RETURNING api_number
