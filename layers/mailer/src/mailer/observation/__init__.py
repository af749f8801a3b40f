"""The log line and the metrics of each use case: ids, codes, counts and domains, never an address or a text."""
