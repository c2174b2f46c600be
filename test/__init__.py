"""The test suite: run it with `python -m twisted.trial test`."""
