"""Store: the queue on disk, the door all mail enters by, and its clients."""
