"""The command line of Project SMTP. It uses the HTTP API and shares no code with the service."""
