"""The sending function, with the modules that a message to a project's relay loads, and the secrets' client."""

from mailer.adapters.aws.session import aws_session
from mailer.adapters.smtp import SmtpTransport

from functions.send import app

HANDLER = app.lambda_handler
SMTP = SmtpTransport
SECRETS_MANAGER = aws_session().secrets_manager()
