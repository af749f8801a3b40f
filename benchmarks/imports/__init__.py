"""The imports of a function's process: as deployed, and as plain code would have them.

`run` imports one module in a fresh process. The `plain_…` modules are the comparison: libraries for the same work,
imported at the top and set up as documented, with pydantic where this project uses msgspec.
"""
