SELECT name FROM snapshot_object WHERE state = 'staged'
