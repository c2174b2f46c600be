"""Aliases: the programs that compile forwarding tables and mailing lists, and print them again."""
