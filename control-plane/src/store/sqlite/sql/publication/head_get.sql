SELECT bytes, epoch, generation, issued_at, sent_epoch, sent_generation, sent_issued_at, sent_at,
    compared_epoch, compared_generation, compared_issued_at
FROM snapshot_head
WHERE id = 1
