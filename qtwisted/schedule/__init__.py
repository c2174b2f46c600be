"""Schedule: decides when each recipient is tried, and what becomes of the answer."""
