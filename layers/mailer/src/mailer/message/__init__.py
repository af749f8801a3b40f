"""What is sent: addresses, drafts, and the octets composed from them."""
