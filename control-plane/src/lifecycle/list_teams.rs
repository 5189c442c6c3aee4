//! A workspace's teams: a page of them, or one.
