"""The command line of Project SMTP. It speaks the HTTP API and shares no code with the service."""
