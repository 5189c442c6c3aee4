SELECT EXISTS (SELECT 1 FROM outbox WHERE generation >= ?1 AND entries_of_mutation > ?2 AND narrowing)
