"""A later provider never makes an outcome worse than it is without that provider."""

import pytest
from mailer.api.emails.responses import result_status, result_view
from mailer.errors import MailerError
from mailer.ledger.record import State
from mailer.smtp.outcome import Deferred, Verdict

from tests.support.chain import (
    ADA,
    AUTH_REJECTED,
    BOB,
    BOTH,
    GREYLISTED,
    HOSTS,
    LATER,
    REFUSED,
    TLS_FAILED,
    UNREACHABLE,
    Turn,
    chain_service,
    only_record,
    sent_report,
    serve_what_is_due,
    verdicts_of,
)
from tests.support.shown import shown

ADA_ONLY = Turn(verdicts={"bob": GREYLISTED})


@pytest.mark.parametrize("later", [UNREACHABLE, AUTH_REJECTED, TLS_FAILED, REFUSED, LATER])
def test_a_deferred_recipient_stays_pending_whatever_a_later_provider_says(later: Verdict) -> None:
    service, providers = chain_service(ADA_ONLY, Turn(later))

    answer = sent_report(service.send(BOTH))
    body = shown(result_view(answer))

    assert (body["status"], body["next_attempt_at"] is None) == ("partially_sent", False)
    assert [each["recipient"] for each in body["deferred"]] == ["bob@example.net"]
    serve_what_is_due(service)
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)


@pytest.mark.parametrize("later", [UNREACHABLE, AUTH_REJECTED, TLS_FAILED, REFUSED, LATER])
def test_a_deferred_message_is_queued_whatever_a_later_provider_says(later: Verdict) -> None:
    service, providers = chain_service(Turn(GREYLISTED), Turn(later))

    answer = sent_report(service.send(BOTH))

    assert (answer.status, result_status(result_view(answer))) == (State.DEFERRED, 202)
    serve_what_is_due(service)
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)


@pytest.mark.parametrize("later", [UNREACHABLE, AUTH_REJECTED, REFUSED])
def test_an_unreachable_first_provider_is_the_error_whatever_a_later_provider_refuses(later: Verdict) -> None:
    service, _ = chain_service(Turn(UNREACHABLE), Turn(later))

    with pytest.raises(MailerError) as caught:
        service.send(BOTH)

    assert (caught.value.code, caught.value.retryable) == ("relay-unreachable", True)


def test_a_deferral_by_a_later_provider_wins_over_rejected_credentials() -> None:
    service, _ = chain_service(Turn(AUTH_REJECTED), Turn(GREYLISTED))

    assert sent_report(service.send(BOTH)).status is State.DEFERRED


def test_rejected_credentials_stay_the_error_if_a_later_provider_rejects_the_recipients() -> None:
    service, _ = chain_service(Turn(AUTH_REJECTED), Turn(REFUSED))

    with pytest.raises(MailerError) as caught:
        service.send(BOTH)

    assert caught.value.code == "relay-auth-rejected"
    assert "smtpPassword" in {problem.entry for problem in caught.value.problems}


def test_a_provider_between_two_others_hides_none_of_them() -> None:
    service, providers = chain_service(Turn(GREYLISTED), Turn(REFUSED), Turn())

    assert sent_report(service.send(BOTH)).status is State.SENT
    assert [host for host, _ in providers.asked()] == list(HOSTS)


def test_a_queued_message_keeps_its_deferral_too() -> None:
    service, providers = chain_service(Turn(GREYLISTED), Turn(AUTH_REJECTED))
    accepted = service.accept(BOTH)
    service.deliver(accepted)

    known = service.known(accepted)
    assert (known.state, [type(each) for each in verdicts_of(known)]) == (State.DEFERRED, [Deferred, Deferred])
    serve_what_is_due(service)
    assert (service.known(accepted).state, providers.copies_of(BOB.address)) == (State.SENT, 1)


def test_a_new_delivery_forgets_the_deferral_of_the_last_one() -> None:
    service, providers = chain_service(Turn(GREYLISTED))
    accepted = service.accept(BOTH)
    service.deliver(accepted)
    providers.turns[HOSTS[0]] = [Turn(AUTH_REJECTED)]
    service.advance(60)
    service.deliver(accepted)

    assert (service.known(accepted).state, service.known(accepted).reason) == (State.HELD, "relay-auth-rejected")


def test_a_partly_accepted_message_waits_for_the_admin() -> None:
    service, providers = chain_service(Turn(verdicts={"bob": AUTH_REJECTED}))

    body = shown(result_view(sent_report(service.send(BOTH))))

    assert (only_record(service).state, only_record(service).reason) == (State.HELD, "relay-auth-rejected")
    assert (body["status"], [each["recipient"] for each in body["deferred"]]) == ("partially_sent", ["bob@example.net"])
    serve_what_is_due(service)
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)
