"""Tests: schedule."""
