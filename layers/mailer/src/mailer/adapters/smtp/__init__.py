"""The road to a project's relay.

`dial` resolves, vets and connects; `tls` builds contexts and names what failed; `session` goes from greeting to AUTH
with aiosmtplib, with tokens by way of `access`; `wire` and `transaction` are ours from MAIL on; `pool` keeps warm
sessions; `transport` is the port.
"""

from mailer.adapters.smtp.pool import Freshness
from mailer.adapters.smtp.transport import SmtpOptions, SmtpSender, SmtpTransport

__all__ = ["Freshness", "SmtpOptions", "SmtpSender", "SmtpTransport"]
