"""What a function's process imports: as we deploy it, and as it would be written without a thought for its start.

Each module is imported alone in a fresh process by `run`. The `plain_…` modules are the measure: the libraries that do
the same work, imported at the top and set up as their documentation shows, with pydantic where we use msgspec.
"""
