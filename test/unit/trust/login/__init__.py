"""Tests: login."""
