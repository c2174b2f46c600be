"""Tests: dotqmail."""
