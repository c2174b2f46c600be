"""Model: frozen values of mail; no input, no output."""
