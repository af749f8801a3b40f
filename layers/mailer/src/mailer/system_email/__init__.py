"""System e-mails: messages of the platform to its users about changes to their accounts."""
