SELECT min(generation) FROM outbox WHERE generation > ?1 AND entries_of_mutation > ?2
