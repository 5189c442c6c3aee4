//! What becomes of a member's keys when the role changes or the member goes.
