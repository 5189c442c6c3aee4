SELECT generation, audit_seq FROM counter WHERE id = 1
