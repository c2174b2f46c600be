"""System: the operating system; standard library only."""
