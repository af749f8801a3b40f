"""Use cases that send, queue, deliver and manage messages."""
