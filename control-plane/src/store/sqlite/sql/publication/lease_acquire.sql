-- One process at a time has the data directory's lock, so the lease is free for whoever asks.
UPDATE lease SET holder = ?1, until = ?2, epoch = (SELECT epoch + 1 FROM counter WHERE id = 1)
WHERE id = 1
RETURNING epoch
