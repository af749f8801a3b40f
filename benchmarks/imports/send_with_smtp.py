"""The sending function and all that a message to a project's relay loads, without AWS."""

from mailer.adapters.smtp import transport

from functions.send import app

HANDLER = app.lambda_handler
SMTP = transport.SmtpTransport
