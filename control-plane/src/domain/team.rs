//! Teams: the groups of members that keys may belong to.
