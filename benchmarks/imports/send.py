"""The sending function and all that a message to a project's relay loads, the client that reads its secret included."""

from mailer.adapters.aws.session import aws_session
from mailer.adapters.smtp import SmtpTransport

from functions.send import app

HANDLER = app.lambda_handler
SMTP = SmtpTransport
SECRETS_MANAGER = aws_session().secrets_manager()
