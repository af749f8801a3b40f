"""Readers of untrusted input: bounded JSON, checks that collect every problem, links."""
