"""The imports of a function's process: those of the deployed function, and those of plain code.

`run` imports one module in a new process. The `plain_…` modules are the comparison: they import libraries for the same
work at the top, and set them up as documented. They use pydantic instead of msgspec.
"""
