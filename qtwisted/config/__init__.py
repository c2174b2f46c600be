"""Config: control files, users files and their compiled tables."""
