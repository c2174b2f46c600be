"""User: finds the user behind a local address and does what his .qmail file says."""
