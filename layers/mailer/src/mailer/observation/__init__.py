"""The log lines and the metrics of each use case: ids, codes, counts and domains."""
