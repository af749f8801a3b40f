"""Use cases: each takes a request's values and the ports that it needs."""
