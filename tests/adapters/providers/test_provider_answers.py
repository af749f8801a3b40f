"""The verdict for each answer and failure of an HTTP provider, for SendGrid and Mailgun alike."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import replace
from dataclasses import dataclass

import pytest
from mailer.errors import LedgerUnavailable
from mailer.message.draft import Attachment
from mailer.ports import ApiMessage
from mailer.relay.provider import ApiAccount
from mailer.smtp.outcome import Accepted, Attempt, Cause, Deferred, Phase, Rejected, RelayError, RelayFault, Unknown
from mailer.smtp.reply import WITHHELD

from tests.support import canaries, fake_mailgun, fake_sendgrid
from tests.support.fake_mailgun import FakeMailgun
from tests.support.fake_sendgrid import FakeSendgrid
from tests.support.http_service import Answer, Behaviour, Close, Hang, HttpService, Reset
from tests.support.provider_stage import (
    DRAFT,
    api_message,
    mailgun_account,
    provider_apis,
    send,
    sendgrid_account,
    verdict,
)

LARGE = api_message(replace(DRAFT, attachments=(Attachment("a.bin", bytes(10_000_000), "application/octet-stream"),)))


@dataclass(frozen=True)
class Scene:
    """A provider, and a project's account with it."""

    fake: HttpService
    account: ApiAccount

    def send(
        self, what: ApiMessage | None = None, *, seconds: float = 8.0, before_end: Callable[[], None] = lambda: None
    ) -> Attempt:
        with provider_apis() as apis:
            return send(apis, self.account, what, seconds=seconds, before_end=before_end)


@contextmanager
def sendgrid(behaviour: Behaviour | None = None, reaction: Behaviour | None = None) -> Iterator[Scene]:
    with FakeSendgrid(behaviour=behaviour, on_connect=(lambda _: reaction) if reaction else None) as fake:
        yield Scene(fake, sendgrid_account(fake))


@contextmanager
def mailgun(behaviour: Behaviour | None = None, reaction: Behaviour | None = None) -> Iterator[Scene]:
    with FakeMailgun(behaviour=behaviour, on_connect=(lambda _: reaction) if reaction else None) as fake:
        yield Scene(fake, mailgun_account(fake))


both = pytest.mark.parametrize("provider", [sendgrid, mailgun])
type Stage = Callable[..., AbstractContextManager[Scene]]


@both
@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_DU13_every_success_is_accepted(provider: Stage, status: int) -> None:
    with provider(Answer(status, b"")) as scene:
        assert isinstance(verdict(scene.send()), Accepted)


@both
@pytest.mark.parametrize("status", [400, 404, 405, 415, 422])
def test_a_message_that_the_provider_refuses_is_rejected(provider: Stage, status: int) -> None:
    with provider(Answer(status, b"{}")) as scene:
        rejected = verdict(scene.send())

    assert isinstance(rejected, Rejected)
    assert (rejected.failure.phase, rejected.failure.cause) == (Phase.FINAL, Cause.REPLY)
    assert rejected.failure.reply is not None
    assert rejected.failure.reply.code == 554


@both
def test_a_message_that_is_too_large_is_rejected_with_that_reason(provider: Stage) -> None:
    with provider(Answer(413, b"{}")) as scene:
        rejected = verdict(scene.send())

    assert isinstance(rejected, Rejected)
    assert rejected.failure.cause is Cause.TOO_LARGE


@both
@pytest.mark.parametrize("status", [401, 402, 403])
def test_DU14_a_refused_key_is_the_admin_s_error(provider: Stage, status: int) -> None:
    with provider(Answer(status, b"{}")) as scene:
        error = verdict(scene.send())

    assert isinstance(error, RelayError)
    assert (error.fault, error.failure.phase) == (RelayFault.AUTH_REJECTED, Phase.AUTH)
    assert error.failure.reply is not None
    assert error.failure.reply.code == 535


@pytest.mark.parametrize(
    ("provider", "throttled"), [(sendgrid, fake_sendgrid.THROTTLED), (mailgun, fake_mailgun.THROTTLED)]
)
def test_DU14_a_throttled_message_is_deferred(provider: Stage, throttled: Answer) -> None:
    with provider(throttled) as scene:
        deferred = verdict(scene.send())

    assert isinstance(deferred, Deferred)
    assert deferred.failure.cause is Cause.THROTTLED
    assert deferred.failure.reply is not None
    assert "too many requests" in deferred.failure.reply.text


@both
def test_a_request_timeout_at_the_provider_is_deferred(provider: Stage) -> None:
    with provider(Answer(408, b"{}")) as scene:
        assert isinstance(verdict(scene.send()), Deferred)


@both
@pytest.mark.parametrize(
    "behaviour",
    [
        *(pytest.param(Answer(status, b"{}"), id=str(status)) for status in (500, 502, 503, 504)),
        pytest.param(Answer(302, b"", {"Location": "https://elsewhere.example/"}), id="302"),
        pytest.param(Reset(), id="reset"),
        pytest.param(Close(), id="closed"),
        pytest.param(Answer(202, b"0123456789", cut_after=4), id="truncated"),
        pytest.param(Answer(202, b"x" * 70_000), id="endless"),
        pytest.param(Answer(202, b"", {"Content-Length": "nonsense"}), id="bad-length"),
        pytest.param(Answer(202, b"", {"Broken\r\n": "x"}), id="broken-header"),
    ],
)
def test_DU14_a_connection_lost_after_the_last_octet_is_unknown_after_one_request(
    provider: Stage, behaviour: Behaviour
) -> None:
    with provider(behaviour) as scene:
        unknown = verdict(scene.send())

        assert len(scene.fake.requests) == 1
    assert isinstance(unknown, Unknown)
    assert unknown.failure.phase is Phase.FINAL


@both
def test_DU14_a_provider_that_does_not_answer_is_unknown_at_the_deadline(provider: Stage) -> None:
    with provider(Hang()) as scene:
        unknown = verdict(scene.send(seconds=0.6))

    assert isinstance(unknown, Unknown)
    assert unknown.failure.cause is Cause.TIMEOUT


@both
def test_DU14_a_closed_port_is_deferred(provider: Stage) -> None:
    with provider() as scene:
        pass

    deferred = verdict(scene.send())

    assert isinstance(deferred, Deferred)
    assert (deferred.failure.phase, deferred.failure.cause) == (Phase.CONNECT, Cause.REFUSED)


@both
@pytest.mark.parametrize("reaction", [pytest.param(Reset(), id="reset"), pytest.param(Close(), id="closed")])
def test_a_connection_lost_before_the_last_octet_is_deferred(provider: Stage, reaction: Behaviour) -> None:
    with provider(None, reaction) as scene:
        deferred = verdict(scene.send(LARGE))

    assert isinstance(deferred, Deferred)
    assert (deferred.failure.phase, deferred.failure.cause) == (Phase.CONTENT, Cause.CONNECTION_LOST)


@both
def test_a_provider_that_stops_reading_is_deferred(provider: Stage) -> None:
    marks: list[str] = []
    with provider(None, Hang()) as scene:
        deferred = verdict(scene.send(LARGE, seconds=0.8, before_end=lambda: marks.append("left")))

    assert isinstance(deferred, Deferred)
    assert (deferred.failure.cause, marks) == (Cause.TIMEOUT, [])


@both
@pytest.mark.parametrize(
    ("status", "expected"), [(401, RelayError), (413, Rejected), (429, Deferred), (500, Deferred), (202, Unknown)]
)
def test_an_answer_before_the_end_of_the_request_counts(provider: Stage, status: int, expected: type) -> None:
    with provider(None, Answer(status, b"{}")) as scene:
        assert isinstance(verdict(scene.send(LARGE)), expected)


@both
def test_the_mark_is_written_once_and_only_if_the_request_may_leave(provider: Stage) -> None:
    marks: list[str] = []
    with provider() as scene:
        scene.send(before_end=lambda: marks.append("left"))
        assert len(marks) == 1
    scene.send(before_end=lambda: marks.append("left"))

    assert len(marks) == 1


@both
def test_a_failed_mark_stops_the_request(provider: Stage) -> None:
    def refuse() -> None:
        raise LedgerUnavailable

    with provider() as scene:
        with pytest.raises(LedgerUnavailable):
            scene.send(before_end=refuse)

        assert scene.fake.requests == []


@both
def test_too_little_time_makes_no_request(provider: Stage) -> None:
    with provider() as scene:
        deferred = verdict(scene.send(seconds=0.04))

        assert scene.fake.connections == 0
    assert isinstance(deferred, Deferred)
    assert deferred.failure.cause is Cause.TOO_LITTLE_TIME


@pytest.mark.parametrize(
    ("provider", "document"),
    [
        (sendgrid, {"errors": [{"message": "Ill\u00e9gal\r\nfrom\x00 " + "x" * 500}]}),
        (mailgun, {"message": "Ill\u00e9gal\r\nfrom\x00 " + "x" * 500}),
    ],
)
def test_the_provider_s_text_is_printable_and_short(provider: Stage, document: dict[str, object]) -> None:
    with provider(Answer(400, json.dumps(document).encode())) as scene:
        rejected = verdict(scene.send())

    assert isinstance(rejected, Rejected)
    assert rejected.failure.reply is not None
    text = rejected.failure.reply.text
    assert "Ill?gal from? xxx" in text
    assert len(text) <= 200


@pytest.mark.parametrize(
    ("provider", "document"),
    [
        (sendgrid, {"errors": [{"message": f"bad key {canaries.API_KEY[4:16]}"}]}),
        (mailgun, {"message": f"bad key {canaries.API_KEY[4:16]}"}),
    ],
)
@pytest.mark.parametrize("status", [400, 401])
def test_text_that_repeats_the_key_is_withheld(provider: Stage, document: dict[str, object], status: int) -> None:
    with provider(Answer(status, json.dumps(document).encode())) as scene:
        refused = verdict(scene.send())

    assert isinstance(refused, Rejected | RelayError)
    assert refused.failure.reply is not None
    assert refused.failure.reply.text == WITHHELD


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"[" * 60_000, b"\xff", b"<html>", b'{"errors":3}', b'{"errors":[4]}', b'{"message":{}}'],
)
@both
def test_an_answer_without_text_shows_its_status(provider: Stage, body: bytes) -> None:
    with provider(Answer(400, body)) as scene:
        rejected = verdict(scene.send())

    assert isinstance(rejected, Rejected)
    assert rejected.failure.reply is not None
    assert rejected.failure.reply.text.endswith(" answered 400")


def test_an_id_that_repeats_the_key_is_not_used_as_reference() -> None:
    with sendgrid(Answer(202, b"", {"X-Message-Id": canaries.API_KEY})) as scene:
        attempt = scene.send()

    assert isinstance(verdict(attempt), Accepted)
    assert attempt.reference is None
