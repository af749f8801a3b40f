"""A project's providers: one module per provider kind, and the list in `emailProviders`."""
