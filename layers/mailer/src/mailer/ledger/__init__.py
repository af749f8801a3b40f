"""What the ledger knows of each message, key, limit and relay: records and their pure transitions."""
