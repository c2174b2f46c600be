"""Login: who may log in, and how a password is checked."""
