"""Use cases: each takes what it was asked and exactly the ports it uses."""
