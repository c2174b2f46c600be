"""Tests of the commands of qmailctl."""
