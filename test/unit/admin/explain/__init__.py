"""Tests of what tells the way of an address."""
