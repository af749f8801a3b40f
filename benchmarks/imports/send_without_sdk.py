"""The sending function without reading a secret: the SMTP client, and no AWS client."""

import os
import sys

# Read when the function is imported.
os.environ["ALLOW_PROJECT_SMTP"] = "false"

from mailer.adapters.smtp import SmtpTransport

from functions.send import app

HANDLER = app.lambda_handler
SMTP = SmtpTransport

if "botocore.session" in sys.modules:
    raise ImportError("the AWS SDK was loaded: this start measures what is left without it")
