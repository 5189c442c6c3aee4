CREATE TABLE room AS SELECT zeroblob(131072) AS bytes
