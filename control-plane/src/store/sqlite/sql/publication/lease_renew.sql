UPDATE lease SET until = ?2 WHERE id = 1 AND holder = ?1
