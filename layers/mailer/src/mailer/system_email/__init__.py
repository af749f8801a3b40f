"""System e-mails: what the platform tells its users when something happens to their accounts."""
