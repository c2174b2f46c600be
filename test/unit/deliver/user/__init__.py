"""Tests: user."""
