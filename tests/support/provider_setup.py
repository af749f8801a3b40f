"""`ProviderApis` for tests: the providers' names resolve to loopback. Also messages and accounts for them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network

from mailer.adapters.aws.session import AwsSession
from mailer.adapters.net.dial import Resolver
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.providers import ProviderApis
from mailer.message.address import Address, Mailbox, parse_mailbox
from mailer.message.compose import compose
from mailer.message.draft import Draft
from mailer.ports import ApiMessage
from mailer.project import ProjectId
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ApiAccount
from mailer.relay.secret_str import SecretStr
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.secret.provider.ses import SesAccount
from mailer.smtp.outcome import Attempt, Verdict

from tests.support import canaries, fake_mailgun
from tests.support.certificates import authority
from tests.support.fake_mailgun import FakeMailgun
from tests.support.fake_sendgrid import FakeSendgrid
from tests.support.sending import loopback_resolver

SENDER = parse_mailbox("Acme <hello@acme.example>")
ADA, BOB, EVE = (parse_mailbox(f"{name}@example.net") for name in ("ada", "bob", "eve"))
DRAFT = Draft(to=(ADA,), subject="Hello", text="Hi\n")
LOOPBACK = RelayPolicy(ports=((1, 65535),), https_networks=(IPv4Network("127.0.0.0/8"),), minimum_timeout=0.0)
PROJECT = ProjectId("acme")
PATIENT = 8.0


def api_message(
    draft: Draft = DRAFT, *, recipients: tuple[Address, ...] | None = None, reply_to: tuple[Mailbox, ...] = ()
) -> ApiMessage:
    """Return the composed draft; with `recipients`, only for these recipients."""
    message = compose(
        draft,
        sender=SENDER,
        reply_to=reply_to,
        envelope_sender=SENDER.address,
        message_id="<1@acme.example>",
        date=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        boundary_token=lambda: "0123456789abcdef",
    )
    if recipients is not None:
        message = replace(message, recipients=recipients)
    return ApiMessage(message, draft, SENDER, reply_to)


def sendgrid_account(fake: FakeSendgrid, *, key: str = canaries.API_KEY) -> SendgridAccount:
    """Return a project's account at the fake."""
    return SendgridAccount(SecretStr(key), fake.base_url, authority().pem)


def mailgun_account(
    fake: FakeMailgun, *, key: str = canaries.API_KEY, domain: str = fake_mailgun.DOMAIN
) -> MailgunAccount:
    """Return a project's account at the fake."""
    return MailgunAccount(SecretStr(key), domain, fake.base_url, authority().pem)


SES_ACCOUNT = SesAccount("AKIAPROJECT", SecretStr(canaries.API_KEY), "eu-central-1")


@contextmanager
def provider_apis(
    *,
    policy: RelayPolicy = LOOPBACK,
    resolver: Resolver = loopback_resolver,
    session: AwsSession | None = None,
    clocks: Clocks | None = None,
    answer_seconds: float = 0.05,
) -> Iterator[ProviderApis]:
    """Return a transport that may reach loopback. `session` creates its AWS clients."""
    apis = ProviderApis(
        policy=policy,
        resolver=resolver,
        session=lambda: session or AwsSession(endpoint_url="http://127.0.0.1:9"),
        clocks=clocks or Clocks(),
        answer_seconds=answer_seconds,
    )
    try:
        yield apis
    finally:
        apis.close()


def send(
    apis: ProviderApis,
    account: ApiAccount,
    what: ApiMessage | None = None,
    *,
    seconds: float = PATIENT,
    before_end: Callable[[], None] = lambda: None,
    version_id: str = "v1",
) -> Attempt:
    """Make one attempt within this many seconds."""
    return apis.send(
        what or api_message(),
        account,
        project_id=PROJECT,
        version_id=version_id,
        deadline=time.monotonic() + seconds,
        before_end=before_end,
    )


def verdict(attempt: Attempt) -> Verdict:
    """Return the verdict, which must be the same for all recipients."""
    first, *others = attempt.verdicts.values()
    assert all(other == first for other in others)
    return first
