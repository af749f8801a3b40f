"""Why a failure happened, which entry to change, and to what."""
