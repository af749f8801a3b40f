"""Lifecycle events in the form in which EventBridge puts them into the queue."""

import json
from collections.abc import Mapping

from mailer.system_email.contract import parse_event
from mailer.system_email.event import EventType, LifecycleEvent

from tests.support import canaries

APP_BASE_URL = "https://app.platform.example/"
LINK = f"https://app.platform.example/setpassword/4711/{canaries.TOKEN}"
CODE = "7Q2-93XK"


def event_detail(**changes: object) -> dict[str, object]:
    """Return a complete detail with these fields changed; None removes a field."""
    detail: dict[str, object] = {
        "requestId": "request-1",
        "projectId": "acme",
        "user": {"email": "ada@example.net", "name": "Ada Lovelace", "locale": "en"},
        "link": LINK,
        "code": CODE,
        "expiresAt": "2026-01-02T04:04:05Z",
        "projectName": "Acme",
        "invitedBy": "Grace Hopper",
    }
    detail.update(changes)
    return {name: value for name, value in detail.items() if value is not None}


def envelope(detail: object, type: str = EventType.PASSWORD_RESET_REQUESTED, /, **changes: object) -> dict[str, object]:
    """Return an event with this detail."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": type,
        "source": "identity",
        "account": "123456789012",
        "time": "2026-01-02T03:04:05Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
        **changes,
    }


def event_body(type: str = EventType.PASSWORD_RESET_REQUESTED, /, **changes: object) -> str:
    """Return an event's text with these fields of its detail changed; None removes a field."""
    return json.dumps(envelope(event_detail(**changes), type))


def lifecycle_event(type: str = EventType.PASSWORD_RESET_REQUESTED, /, **changes: object) -> LifecycleEvent:
    """Return a parsed event."""
    return parse_event(event_body(type, **changes), app_base_url=APP_BASE_URL)


def batch(*bodies: str) -> dict[str, list[Mapping[str, object]]]:
    """Return the event that Lambda gets."""
    return {
        "Records": [
            {"messageId": f"message-{number}", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}
            for number, body in enumerate(bodies, start=1)
        ]
    }
