UPDATE snapshot_head
SET compared_epoch = epoch, compared_generation = generation, compared_issued_at = issued_at
WHERE id = 1
