"""Stored templates, and values put into their placeholders."""
