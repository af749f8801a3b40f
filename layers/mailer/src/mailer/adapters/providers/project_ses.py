"""Amazon SES by projects' own keys: a client for each key and region, and never the platform's."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from mailer.adapters.aws.ses import SesTransport
from mailer.adapters.aws.ses_answers import Owner
from mailer.adapters.aws.session import AwsSession
from mailer.adapters.net.elapsed import Clocks
from mailer.relay.provider import SesAccount

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

_MAX_CLIENTS = 8


class ProjectSes:
    """The transports of the accounts that were used last."""

    def __init__(self, session: Callable[[], AwsSession], clocks: Clocks) -> None:
        self._session = session
        self._clocks = clocks
        self._transports: OrderedDict[SesAccount, SesTransport] = OrderedDict()

    def transport(self, account: SesAccount) -> SesTransport:
        """Return the transport of this account, which is the same one while it is in use."""
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

        # Built by the first request, whose verdict says so where the region is none.
        @functools.cache
        def client() -> "SESV2Client":
            return session.ses_of(account.access_key_id, account.secret_access_key, account.region)

        return SesTransport(client, owner=Owner(account.secret_access_key), clocks=self._clocks)
