"""SMTP to a project's relay.

`session` connects and authenticates with aiosmtplib. `oauth_tokens` fetches access tokens. `transaction` sends MAIL and
all later commands, over the connection of `wire`. `pool` keeps warm sessions. `transport` implements the ports.
"""

from mailer.adapters.smtp.pool import Freshness
from mailer.adapters.smtp.transport import SmtpOptions, SmtpSender, SmtpTransport

__all__ = ["Freshness", "SmtpOptions", "SmtpSender", "SmtpTransport"]
