"""What an administrator asks of the running scheduler, and has it do."""
