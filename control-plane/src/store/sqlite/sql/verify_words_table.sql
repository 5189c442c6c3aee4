-- A way to read the index, kept nowhere: nothing is written to the database.
CREATE VIRTUAL TABLE IF NOT EXISTS temp.audit_words USING fts5vocab (main, audit_search, instance)
