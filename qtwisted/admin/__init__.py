"""Admin: what the operator runs: the master under twistd, and the programs that set up a home."""
