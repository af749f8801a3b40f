"""Where a project's mail goes: relays, providers, and which of them the operator lets projects reach."""
