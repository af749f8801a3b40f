"""Relays and providers, and which relays the operator allows."""
