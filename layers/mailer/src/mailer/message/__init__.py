"""Addresses, drafts, and the octets composed from them."""
