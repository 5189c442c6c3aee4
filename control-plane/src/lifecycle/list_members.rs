//! A workspace's members: a page of them, or one.
