"""Failover over real connections: what the second provider gets after each failure of the first."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from mailer.ledger.record import State
from mailer.service.sending.send_outcome import SendReport

from tests import fakes
from tests.support import canaries, fake_mailgun, fake_sendgrid
from tests.support.certificates import authority
from tests.support.fake_mailgun import FakeMailgun
from tests.support.fake_sendgrid import FakeSendgrid
from tests.support.http_service import Answer, Behaviour, Close, Hang, Reset
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, settings
from tests.support.provider_setup import DRAFT, LOOPBACK, provider_apis


@dataclass(frozen=True)
class Setup:
    """SendGrid first, Mailgun after it, and a message that was sent."""

    sendgrid: FakeSendgrid
    mailgun: FakeMailgun
    report: SendReport
    service: MemoryService

    @property
    def taken(self) -> tuple[int, int]:
        """Return how many messages each provider accepted; asserts that the server transport got none."""
        assert self.service.server.requests == []
        return len(self.sendgrid.messages), len(self.mailgun.forms)


def entries_of(sendgrid: FakeSendgrid, mailgun: FakeMailgun) -> str:
    pem = authority().pem
    providers = [
        {
            "id": "first",
            "provider": "sendgrid",
            "name": "First",
            "enabled": True,
            "priority": 1,
            "config": {"apiKey": canaries.API_KEY, "baseUrl": sendgrid.base_url, "caCertificate": pem},
        },
        {
            "id": "second",
            "provider": "mailgun",
            "name": "Second",
            "enabled": True,
            "priority": 2,
            "config": {
                "apiKey": canaries.API_KEY,
                "domain": fake_mailgun.DOMAIN,
                "baseUrl": mailgun.base_url,
                "caCertificate": pem,
            },
        },
    ]
    secret = {"smtpFromAddress": "Acme <hello@acme.example>", "emailProviders": json.dumps(providers)}
    return json.dumps(secret)


@contextmanager
def sent(behaviour: Behaviour | None = None, *, is_listening: bool = True, patience: float = 24.0) -> Iterator[Setup]:
    with ExitStack() as stack:
        sendgrid = FakeSendgrid(behaviour=behaviour)
        mailgun = stack.enter_context(FakeMailgun())
        with ExitStack() as first:
            first.enter_context(sendgrid)
            if is_listening:
                stack.push(first.pop_all())
        service = MemoryService(
            settings=settings(ALLOWED_RELAY_CIDRS="127.0.0.0/8", ALLOWED_RELAY_PORTS="1-65535"),
            secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries_of(sendgrid, mailgun))}),
            providers=stack.enter_context(provider_apis(policy=LOOPBACK)),
            monotonic=time.monotonic,
            patience=patience,
        )
        report = service.send(DRAFT)
        assert isinstance(report, SendReport)
        yield Setup(sendgrid, mailgun, report, service)


def test_the_first_provider_gets_the_message() -> None:
    with sent() as setup:
        assert (setup.taken, setup.report.status) == ((1, 0), State.SENT)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(fake_sendgrid.refusal(401, "no"), id="DU14-401"),
        pytest.param(fake_sendgrid.refusal(403, "no"), id="DU14-403"),
        pytest.param(fake_sendgrid.THROTTLED, id="DU14-429"),
    ],
)
def test_DU12_after_a_refusal_the_second_gets_the_message(behaviour: Behaviour) -> None:
    with sent(behaviour) as setup:
        assert (setup.taken, setup.report.status) == ((0, 1), State.SENT)
        assert [each.provider for each in setup.report.record.attempts] == ["first", "second"]
        assert [each.provider for each in setup.report.record.failovers] == ["first"]


def test_DU14_after_a_refused_connection_the_second_gets_the_message() -> None:
    with sent(is_listening=False) as setup:
        assert (setup.taken, setup.report.status) == ((0, 1), State.SENT)


@pytest.mark.parametrize(
    "behaviour",
    [
        *(pytest.param(Answer(status, b"{}"), id=f"DU14-{status}") for status in (500, 502, 503, 504)),
        pytest.param(Reset(), id="DU11-reset"),
        pytest.param(Close(), id="DU11-closed"),
        pytest.param(Answer(202, b"0123456789", cut_after=4), id="DU11-truncated"),
        pytest.param(Hang(), id="DU11-hangs"),
    ],
)
def test_DU11_after_a_possible_acceptance_the_second_gets_nothing(behaviour: Behaviour) -> None:
    with sent(behaviour, patience=2.0) as setup:
        assert (setup.taken, setup.report.status) == ((0, 0), State.UNKNOWN)
        assert setup.mailgun.connections == 0
