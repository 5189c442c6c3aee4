SELECT name, bytes FROM snapshot_object WHERE state = 'named' AND sent_at IS NULL
