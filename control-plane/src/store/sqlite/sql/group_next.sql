-- Keeps the change before, which the group's commit makes durable, and begins the next.
RELEASE one;
SAVEPOINT one;
