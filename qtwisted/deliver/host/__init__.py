"""Host: finds the servers of a host and hands them mail."""
