"""Tests: admin, logs."""
