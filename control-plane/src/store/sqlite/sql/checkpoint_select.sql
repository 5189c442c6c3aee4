SELECT incarnation, size, root, at, note FROM audit_checkpoint
