"""The master and what it keeps running: the units of roles, their ports, and one start after another."""
