"""Tests: mailbox."""
