"""The names of a host: programs that ask the DNS for them, and programs that write them to control files."""
