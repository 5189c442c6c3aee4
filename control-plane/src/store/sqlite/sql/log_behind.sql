-- Events that are not in the tree yet, in their order.
WHERE seq > (SELECT size FROM audit_log WHERE id = 1) ORDER BY seq LIMIT ?1
