"""The scopes of the tokens' `scope` claim that the routes ask for."""

SEND = "email:send"
READ = "email:read"
READ_CONFIGURATION = "email-config:read"
WRITE_CONFIGURATION = "email-config:write"
