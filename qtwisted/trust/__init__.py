"""Trust: what we ask others about a peer or a name, the DNS first."""
