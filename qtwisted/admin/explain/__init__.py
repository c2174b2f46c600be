"""What would happen to mail for an address: every step the mail system takes, by its own functions, without sending.

Each stage is asked in a process that has become the user of the role that takes that step in the running system: it
sees what the role would see, and reads nothing with more rights.
"""
