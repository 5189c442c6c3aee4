-- The newest head on record of which it was known that Workers KV held none above it. What is recorded
-- while KV cannot be read stands apart, so that a restored database is still noticed a start later.
ALTER TABLE snapshot_head ADD COLUMN compared_epoch INTEGER;
ALTER TABLE snapshot_head ADD COLUMN compared_generation INTEGER;
ALTER TABLE snapshot_head ADD COLUMN compared_issued_at INTEGER;
UPDATE snapshot_head
SET compared_epoch = epoch, compared_generation = generation, compared_issued_at = issued_at;
