"""Use cases that show, check and change a project's configuration."""
