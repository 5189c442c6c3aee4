INSERT INTO refusal_untold (day, kind, count) VALUES (?1, ?2, ?3)
ON CONFLICT (day, kind) DO UPDATE SET count = count + excluded.count
