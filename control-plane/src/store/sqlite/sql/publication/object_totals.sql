SELECT count(*), coalesce(sum(size), 0) FROM snapshot_object WHERE state = 'named'
