INSERT INTO api (number, name, title, routes, created_at, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
