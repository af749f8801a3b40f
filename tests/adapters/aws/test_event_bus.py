"""Publishing events: on moto's bus, and on a bus that refuses some or all of them."""

import logging

import pytest
from mailer.adapters.aws.event_bus import EventBusPublisher
from mailer.adapters.aws.session import AwsSession
from mailer.ledger.event import Event, EventName

from tests.support.fake_aws import Behaviour, Close, FakeAws, Request, refusal, success
from tests.support.ledger_setup import serial_moto

NOTICES = [Event(EventName.EMAIL_SENT, {"id": f"m{number}"}) for number in range(12)]


def on(url: str) -> EventBusPublisher:
    return EventBusPublisher(AwsSession(endpoint_url=url).events, bus_name="project-smtp")


def takes_all(request: Request) -> Behaviour:
    entries = request.json()["Entries"]
    assert isinstance(entries, list)
    return success(FailedEntryCount=0, Entries=[{"EventId": "1"} for _ in entries])


def warnings(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    return [
        (record.getMessage(), getattr(record, "count", None))
        for record in caplog.records
        if record.levelno == logging.WARNING
    ]


def test_the_bus_accepts_events(caplog: pytest.LogCaptureFixture) -> None:
    with serial_moto() as url:
        AwsSession(endpoint_url=url).events().create_event_bus(Name="project-smtp")
        on(url).publish(NOTICES)

    assert warnings(caplog) == []


def test_an_event_has_a_source_a_type_and_a_detail() -> None:
    with FakeAws(takes_all) as fake:
        on(fake.url).publish(NOTICES[:1])

        assert fake.requests[0].json()["Entries"] == [
            {
                "EventBusName": "project-smtp",
                "Source": "project-smtp",
                "DetailType": "EmailSent",
                "Detail": '{"id":"m0"}',
            }
        ]


def test_events_are_sent_in_batches_of_ten() -> None:
    with FakeAws(takes_all) as fake:
        on(fake.url).publish(NOTICES)

        assert fake.operations == ["PutEvents", "PutEvents"]


def test_without_events_there_is_no_request() -> None:
    with FakeAws(takes_all) as fake:
        on(fake.url).publish([])

        assert fake.requests == []


@pytest.mark.parametrize("behaviour", [refusal("AccessDeniedException"), refusal("ValidationException"), Close()])
def test_a_failing_bus_raises_nothing(behaviour: Behaviour, caplog: pytest.LogCaptureFixture) -> None:
    with FakeAws(lambda _request: behaviour) as fake:
        on(fake.url).publish(NOTICES[:3])

    assert warnings(caplog) == [("the bus took no events", 3)]


def test_refused_events_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    answer = success(FailedEntryCount=1, Entries=[{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}])
    with FakeAws(lambda _request: answer) as fake:
        on(fake.url).publish(NOTICES[:2])

    assert warnings(caplog) == [("the bus did not take every event", 1)]
