"""Tests of what takes over the home of another qmail."""
