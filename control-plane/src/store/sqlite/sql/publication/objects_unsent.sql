SELECT object.name, stored.bytes
FROM snapshot_object AS object
JOIN snapshot_bytes AS stored ON stored.name = object.name
WHERE object.state = 'named' AND object.sent_at IS NULL
