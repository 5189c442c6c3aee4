-- A group of changes and the first of them, which can be undone by itself.
BEGIN IMMEDIATE;
SAVEPOINT one;
