"""Requests and answers of other e-mail APIs, translated to ours and back."""
