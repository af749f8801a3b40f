"""Use cases: each one takes the values of a request and the ports that it needs."""
