SELECT deployment, pepper, kek FROM identity WHERE id = 1
