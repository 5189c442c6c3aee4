SELECT value, version FROM setting WHERE id = 1
