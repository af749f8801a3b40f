"""The scopes that routes require in the token's `scope` claim."""

SEND = "email:send"
READ = "email:read"
READ_CONFIGURATION = "email-config:read"
WRITE_CONFIGURATION = "email-config:write"
