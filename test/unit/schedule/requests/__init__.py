"""Tests of what an administrator asks of the scheduler."""
