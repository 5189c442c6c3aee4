//! What a change of role and a removal share: moving, keeping and ending a member's keys.
