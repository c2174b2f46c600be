"""Tests: shape."""
