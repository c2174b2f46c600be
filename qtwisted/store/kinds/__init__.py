"""Kinds of store: `files` keeps the original directories on disk, `memory` serves tests."""
