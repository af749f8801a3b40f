"""Readers for untrusted input: JSON with limits, checks that collect every problem, links."""
