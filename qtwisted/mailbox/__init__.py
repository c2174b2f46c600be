"""Mailbox: the mbox and Maildir formats, written so that a power cut loses nothing."""
