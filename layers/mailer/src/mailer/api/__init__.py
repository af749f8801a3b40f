"""The HTTP API: its routes, requests, answers and errors."""
