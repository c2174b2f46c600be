"""Deliver: takes one message to one recipient, local or remote."""
