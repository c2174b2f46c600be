"""Tests: installing."""
