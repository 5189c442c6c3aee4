UPDATE counter SET epoch = max(epoch, ?1), generation = max(generation, ?2) WHERE id = 1
