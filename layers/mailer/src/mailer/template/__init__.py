"""Stored templates and their placeholders."""
