SELECT count(*), coalesce(sum(length(bytes)), 0) FROM snapshot_object WHERE state = 'named'
