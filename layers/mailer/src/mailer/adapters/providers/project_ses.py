"""Amazon SES with projects' own keys: a client per key and region, never the platform's."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from mailer.adapters.aws.ses import SesTransport
from mailer.adapters.aws.ses_answers import Owner
from mailer.adapters.aws.session import AwsSession
from mailer.adapters.net.elapsed import Clocks
from mailer.secret.provider.ses import SesAccount

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

_MAX_CLIENTS = 8


class ProjectSes:
    """The transports of the most recently used accounts."""

    def __init__(self, session: Callable[[], AwsSession], clocks: Clocks) -> None:
        self._session = session
        self._clocks = clocks
        self._transports: OrderedDict[SesAccount, SesTransport] = OrderedDict()

    def transport(self, account: SesAccount) -> SesTransport:
        """Return the account's transport; it is the same one as long as it is in use."""
        transport = self._transports.pop(account, None) or self._build(account)
        self._transports[account] = transport
        if len(self._transports) > _MAX_CLIENTS:
            self._transports.popitem(last=False)[1].close()
        return transport

    def close(self) -> None:
        """Drop the idle connections."""
        while self._transports:
            self._transports.popitem()[1].close()

    def _build(self, account: SesAccount) -> SesTransport:
        session = self._session()

        # The first request creates the client; an invalid region becomes that request's verdict.
        @functools.cache
        def client() -> "SESV2Client":
            return session.ses_of(account.access_key_id, account.secret_access_key, account.region)

        return SesTransport(client, owner=Owner(account.secret_access_key), clocks=self._clocks)
