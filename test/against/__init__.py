"""The same input to our programs and to Debian's: output, exit code and files must be the same."""
