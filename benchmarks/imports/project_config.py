"""The configuration function, with the modules that its requests load: the SMTP probe and the secrets' client."""

from mailer.adapters.aws.session import aws_session
from mailer.adapters.smtp import SmtpTransport

from functions.project_config import app

HANDLER = app.lambda_handler
SMTP = SmtpTransport
SECRETS_MANAGER = aws_session().secrets_manager()
