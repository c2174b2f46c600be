"""Wire: protocol cores; bytes in, events out; no socket, no clock, no Twisted."""
