"""Tests: the master and its units."""
