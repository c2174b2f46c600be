"""Submit: the programs with which local users hand in mail; none of them loads Twisted."""
