"""Explain failures to admins: why it failed, which entry to change, and to what."""
