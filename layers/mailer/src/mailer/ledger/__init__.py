"""What the ledger stores about messages, keys, limits and relays: records and their pure transitions."""
