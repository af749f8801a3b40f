"""A project's secret: parsed, validated, edited, and resolved to a transport."""
