"""Providers over their HTTP APIs, for callers without an event loop.

HTTP libraries are loaded for the first message, because most processes do not need them.
"""

import functools
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from mailer.adapters.aws.ses import SesTransport
from mailer.adapters.aws.ses_answers import Owner
from mailer.adapters.aws.session import AwsSession, aws_session
from mailer.adapters.net.dial import Dialer, Resolver, system_resolver
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.net.own_loop import OwnLoop
from mailer.ports import ApiMessage
from mailer.project import ProjectId
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ApiAccount
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.secret.provider.ses import SesAccount
from mailer.smtp.outcome import Attempt, Cause, Deferred, Failure, Phase, ProbePassed

if TYPE_CHECKING:
    from mailer.adapters.net.https_client import Answer, Call, HttpsClient, NoAnswer
    from mailer.adapters.providers.mail_api import MailApi

_MAX_SES_ACCOUNTS = 8
# A request is sent only if this much time remains for its answer.
_ANSWER_SECONDS = 5.0


class ProviderApis:
    """Implements `ApiTransport`; one thread uses it at a time, and the loop lives as long as the environment.

    The host of an API is vetted like the host of a relay.
    """

    def __init__(
        self,
        *,
        policy: RelayPolicy,
        resolver: Resolver = system_resolver,
        session: Callable[[], AwsSession] = aws_session,
        clocks: Clocks = Clocks(),  # noqa: B008 -- frozen, with two functions only
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        self._dialer = Dialer(policy.for_https(), resolver)
        self._session = session
        self._clocks = clocks
        self._answer_seconds = answer_seconds
        self._loop = OwnLoop()
        self._http: HttpsClient | None = None
        self._ses: OrderedDict[SesAccount, SesTransport] = OrderedDict()

    def send(
        self,
        api_message: ApiMessage,
        account: ApiAccount,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """Make one attempt: see `mailer.ports.ApiTransport`."""
        recipients = api_message.message.recipients
        if isinstance(account, SesAccount):
            ses = self._project_ses(account)
            return ses.send(api_message.message, deadline=deadline, before_end=before_end)
        if deadline - time.monotonic() < self._answer_seconds:
            return Attempt.uniform(recipients, Deferred(Failure(Phase.CONNECT, Cause.TOO_LITTLE_TIME)))
        api = _mail_api(account)
        outcome = self._make(api.sending(api_message), (project_id, version_id), deadline, before_end)
        verdict, reference = api.verdict(outcome)
        return Attempt(dict.fromkeys(recipients, verdict), reference)

    def probe(self, account: ApiAccount, *, deadline: float) -> Failure | ProbePassed:
        """Ask whether the API accepts the credentials: see `mailer.ports.ApiTransport`."""
        if isinstance(account, SesAccount):
            return self._project_ses(account).probe(deadline=deadline)
        # The probed account may differ from the stored account, so the account owns the connections, not the project.
        return _mail_api(account).probe(lambda call: self._make(call, account, deadline))

    def close(self) -> None:
        """Drop every connection and close the loop."""
        while self._ses:
            self._ses.popitem()[1].close()
        if self._http is not None:
            self._loop.run(self._http.close())
        self._loop.close()

    def _make(
        self, call: "Call", owner: Hashable, deadline: float, before_end: Callable[[], None] = lambda: None
    ) -> "Answer | NoAnswer":
        if self._http is None:
            from mailer.adapters.net.https_client import HttpsClient  # noqa: PLC0415 -- see the module's docstring

            self._http = HttpsClient(self._dialer, clocks=self._clocks, answer_seconds=self._answer_seconds)
        return self._loop.run(self._http.make(call, owner=owner, deadline=deadline, before_end=before_end))

    def _project_ses(self, account: SesAccount) -> SesTransport:
        """Return the account's transport, which has its own client. The transports used most recently are kept."""
        transport = self._ses.pop(account, None)
        if transport is None:
            keys = (account.access_key_id, account.secret_access_key, account.region)
            # The first request creates the client; an invalid region becomes that request's verdict.
            client = functools.cache(functools.partial(self._session().ses_of, *keys))
            transport = SesTransport(client, owner=Owner(account.secret_access_key), clocks=self._clocks)
        self._ses[account] = transport
        if len(self._ses) > _MAX_SES_ACCOUNTS:
            self._ses.popitem(last=False)[1].close()
        return transport


def _mail_api(account: ApiAccount) -> "MailApi":
    from mailer.adapters.providers.mailgun import Mailgun  # noqa: PLC0415 -- see the module's docstring
    from mailer.adapters.providers.sendgrid import Sendgrid  # noqa: PLC0415 -- as above

    match account:
        case SendgridAccount():
            return Sendgrid(account)
        case MailgunAccount():
            return Mailgun(account)
        case _:
            raise TypeError(type(account).__name__)
