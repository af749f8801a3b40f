"""What a relay says and what it means: replies, verdicts, outcomes. No I/O."""
