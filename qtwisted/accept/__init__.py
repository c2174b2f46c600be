"""Accept: every way mail comes in, from the network and from local users."""
