"""Tests: deliver."""
