"""Fields that several requests have: mailboxes, subjects and bodies, headers, tags, attachments."""
