"""The measured clients: each reads a `spec.Job` from its argument, sends, and prints a `spec.Report`."""
