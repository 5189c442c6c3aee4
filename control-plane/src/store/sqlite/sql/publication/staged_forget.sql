DELETE FROM snapshot_object WHERE state = 'staged'
