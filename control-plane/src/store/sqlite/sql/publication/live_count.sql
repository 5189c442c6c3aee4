SELECT count(*) FROM secret WHERE live = 1 AND slot IS NOT NULL
