"""Connections: vetted dialling, TLS, HTTPS, clocks and event loops."""
