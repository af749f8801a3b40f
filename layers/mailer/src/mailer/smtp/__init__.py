"""Replies of transports, and the verdicts and outcomes that follow from them. No I/O."""
