"""Tests: accept."""
