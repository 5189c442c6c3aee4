SELECT generation FROM counter WHERE id = 1
