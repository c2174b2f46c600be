"""Logs read back: where they are, the stories of messages in them, and sums."""
