"""A worker is lost, or the ledger fails, after one provider has accepted a part of the message."""

import pytest
from mailer.api.emails.responses import result_view
from mailer.errors import KeyInFlight, LedgerUnavailable
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import State
from mailer.message.draft import Draft, TemplateUse
from mailer.service.sending.accept_emails import Accepted
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_email import send_email
from mailer.service.sending.send_outcome import SendReport
from mailer.template.template import Precondition, Template, TemplateName

from tests.support.chain import (
    ADA,
    BOB,
    BOTH,
    GREYLISTED,
    Killed,
    ScriptedProviders,
    Turn,
    chain_service,
    fail_ledger,
    only_record,
    sent_report,
    serve_what_is_due,
)
from tests.support.memory_service import LEASE_SECONDS, MemoryService, render
from tests.support.projects import ACME, NOW
from tests.support.shown import shown

ADA_ONLY = Turn(verdicts={"bob": GREYLISTED})
KEY = KeyUse("digest", "fingerprint", NOW.timestamp() + 86400)


@pytest.mark.parametrize(("point", "number"), [("after ledger.replace", 2), ("after ledger.replace", 3)])
def test_a_repeated_key_after_a_lost_worker_leads_to_the_message_that_a_recipient_has(point: str, number: int) -> None:
    """The worker is lost right after the failover was recorded, or right after the second mark."""
    service, providers = chain_service(ADA_ONLY, Turn())
    fail_ledger(service, point, Killed, number=number)
    with pytest.raises(Killed):
        service.send(BOTH, key=KEY)
    with pytest.raises(KeyInFlight):
        service.send(BOTH, key=KEY)
    service.advance(LEASE_SECONDS)

    again = service.send(BOTH, key=KEY)
    serve_what_is_due(service)

    assert isinstance(again, Resumed)
    assert again.record.id == only_record(service).id
    assert providers.copies_of(ADA.address) == 1


def test_a_repeated_key_shows_that_the_other_recipients_are_tried_again() -> None:
    service, _ = _worker_lost_between_two_providers()

    again = service.send(BOTH, key=KEY)
    assert isinstance(again, Resumed)
    body = shown(result_view(again))

    assert (body["status"], body["accepted"], body["next_attempt_at"] is None) == (
        "partially_sent",
        ["ada@example.net"],
        False,
    )


@pytest.mark.parametrize("repeats", [0, 1, 2])
def test_the_queue_serves_the_recipients_that_provably_have_no_copy(repeats: int) -> None:
    service, providers = _worker_lost_between_two_providers()

    for _ in range(repeats):
        service.send(BOTH, key=KEY)
    serve_what_is_due(service)

    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)
    assert only_record(service).state is State.SENT
    assert len({each.message.as_bytes() for each in providers.sends}) == 1
    assert service.drafts.contents == {}


def test_a_template_that_changes_after_a_lost_worker_does_not_change_the_message() -> None:
    service, providers = chain_service(ADA_ONLY, Turn())
    _put_template(service, "first\n")
    fail_ledger(service, "after ledger.replace", Killed, number=2)
    with pytest.raises(Killed):
        _send_template(service)
    service.advance(LEASE_SECONDS)
    _put_template(service, "second\n")

    _send_template(service)
    serve_what_is_due(service)

    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)
    (octets,) = {each.message.as_bytes() for each in providers.sends}
    assert b"first" in octets


def test_the_next_provider_is_asked_even_if_the_content_cannot_be_stored() -> None:
    service, providers = chain_service(ADA_ONLY, Turn())
    service.drafts.failing = True

    assert sent_report(service.send(BOTH, key=KEY)).status is State.SENT
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)


def test_without_stored_content_a_lost_worker_ends_the_message_and_a_repeated_key_sends_nothing() -> None:
    service, providers = chain_service(ADA_ONLY, Turn())
    _put_template(service, "first\n")
    service.drafts.failing = True
    fail_ledger(service, "after ledger.replace", Killed, number=2)
    with pytest.raises(Killed):
        _send_template(service)
    service.drafts.failing = False
    service.advance(LEASE_SECONDS)
    _put_template(service, "second\n")

    again = _send_template(service)
    assert isinstance(again, Resumed)
    body = shown(result_view(again))
    serve_what_is_due(service)

    assert (body["status"], body["accepted"], body["next_attempt_at"]) == ("partially_sent", ["ada@example.net"], None)
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 0)
    assert service.drafts.contents == {}


def test_content_stored_before_a_failover_is_deleted_when_the_message_has_ended() -> None:
    service, providers = chain_service(ADA_ONLY, Turn())
    stored: list[int] = []
    service.drafts.failpoint = lambda point: stored.append(1) if point == "after drafts.put" else None

    assert sent_report(service.send(BOTH)).status is State.SENT
    assert len(providers.sends) == 2
    assert (len(stored), service.drafts.contents) == (1, {})


def test_no_content_is_stored_before_a_failover_if_no_recipient_has_a_copy() -> None:
    service, providers = chain_service(Turn(GREYLISTED), Turn())
    stored: list[int] = []
    service.drafts.failpoint = lambda point: stored.append(1) if point == "after drafts.put" else None

    assert sent_report(service.send(BOTH)).status is State.SENT
    assert (len(providers.sends), stored) == (2, [])


def test_a_key_whose_message_reached_no_recipient_is_served_again() -> None:
    service, providers = chain_service(Turn(GREYLISTED), Turn())
    fail_ledger(service, "before ledger.replace", Killed)
    with pytest.raises(Killed):
        service.send(BOTH, key=KEY)
    service.advance(LEASE_SECONDS)

    assert sent_report(service.send(BOTH, key=KEY)).status is State.SENT
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)


@pytest.mark.parametrize("point", ["before ledger.replace", "after ledger.replace"])
@pytest.mark.parametrize("number", [2, 3], ids=["failover-note", "second-mark"])
@pytest.mark.parametrize("key", [None, KEY], ids=["no-key", "key"])
def test_a_failure_of_the_ledger_between_two_providers_is_no_error(point: str, number: int, key: KeyUse | None) -> None:
    service, providers = chain_service(ADA_ONLY, Turn())
    fail_ledger(service, point, LedgerUnavailable, number=number)

    answer = sent_report(service.send(BOTH, key=key))
    body = shown(result_view(answer))
    serve_what_is_due(service)

    assert (body["status"], body["accepted"]) == ("partially_sent", ["ada@example.net"])
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)
    assert only_record(service).state is State.SENT


def test_a_writer_between_two_providers_is_no_error_either() -> None:
    """A sweep whose clock is ahead ends the message while the second provider is asked."""
    service, providers = chain_service(ADA_ONLY, Turn())

    def end_it(point: str) -> None:
        if point == "before ledger.replace" and len(providers.sends) == 2:
            service.ledger.failpoint = lambda _point: None
            service.advance(LEASE_SECONDS)
            service.sweep()

    service.ledger.failpoint = end_it

    body = shown(result_view(sent_report(service.send(BOTH))))

    assert (body["status"], body["accepted"]) == ("partially_sent", ["ada@example.net"])
    assert providers.copies_of(BOB.address) == 0


def test_without_the_ledger_after_the_first_provider_the_answer_promises_nothing() -> None:
    service, _ = chain_service(ADA_ONLY, Turn())
    fail_ledger(service, "before ledger.replace", LedgerUnavailable, number=2, times=1000)

    body = shown(result_view(sent_report(service.send(BOTH))))

    assert (body["status"], body["accepted"]) == ("partially_sent", ["ada@example.net"])
    assert body["next_attempt_at"] is None


@pytest.mark.parametrize("key", [None, KEY])
def test_a_failure_before_the_first_mark_is_an_error_and_frees_the_key(key: KeyUse | None) -> None:
    service, providers = chain_service(Turn())
    fail_ledger(service, "after ledger.replace", LedgerUnavailable)

    with pytest.raises(LedgerUnavailable):
        service.send(BOTH, key=key)
    assert providers.copies_of(ADA.address) == 0
    assert sent_report(service.send(BOTH, key=key)).status is State.SENT


def _worker_lost_between_two_providers() -> tuple[MemoryService, ScriptedProviders]:
    service, providers = chain_service(ADA_ONLY, Turn())
    fail_ledger(service, "after ledger.replace", Killed, number=2)
    with pytest.raises(Killed):
        service.send(BOTH, key=KEY)
    service.advance(LEASE_SECONDS)
    return service, providers


def _put_template(service: MemoryService, text: str) -> None:
    template = Template(subject="Hello", text=text)
    service.templates.put(ACME, TemplateName("hello"), template, now=0.0, only_if=Precondition())


def _send_template(service: MemoryService) -> SendReport | Accepted | Replayed | Resumed:
    return send_email(
        Draft(to=BOTH.to, subject="", text=None),
        ACME,
        ports=service.send_ports,
        deadline=service.clock() + 24,
        record_by=service.clock() + 50,
        lease_seconds=LEASE_SECONDS,
        key=KEY,
        use=TemplateUse("hello", {}),
        render=render,
    )
