"""Programs called from a line of a .qmail file, with the message on descriptor 0."""
