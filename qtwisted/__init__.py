"""qtwisted: the qmail mail system on Twisted. Mail is accepted, stored, scheduled and delivered."""
