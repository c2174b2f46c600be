"""Tests: trust."""
