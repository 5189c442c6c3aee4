UPDATE snapshot_head SET tree_generation = 0, bytes = x'' WHERE id = 1
