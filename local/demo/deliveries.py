"""The second part of the demo: an accepted message is neither lost nor doubled, even while the secret is broken."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from local.client import Json, find
from local.demo.report import RELAY, SES, Demo, echo, email, items
from local.relay import DEFERRED_DOMAIN

_RESET = "PasswordResetRequested"
_VERIFIED_SECONDS = 5.0
_DELIVERED_SECONDS = 10.0


def _platform_event(demo: Demo) -> None:
    demo.section(
        "An event becomes an e-mail",
        "The identity service puts an event on the bus and gets no answer, so it cannot reveal whether an account "
        "exists. An event without a project is sent by the platform's SES.",
    )
    demo.put_events(_RESET, _reset("reset-1", "grace@example.com", project_id=None))
    seconds = demo.seconds_until(lambda: bool(_to(demo, "grace@example.com")), at_most=_DELIVERED_SECONDS)
    arrived = _only(_to(demo, "grace@example.com"))
    echo(f"   {arrived.get('from')}: {arrived.get('subject')}")
    demo.check(f"SES received it{_after(seconds)}", is_true=arrived.get("transport") == SES)
    demo.check("its From is the platform's", is_true="platform.example" in str(arrived.get("from")))


def _held(demo: Demo) -> None:
    demo.section(
        "A password reset while the secret is broken",
        "The admin of `broken` edits the secret again and mistypes the port. Then a user asks for a new password. The "
        "relay cannot be used and SES must not be used, so the e-mail is held.",
    )
    before = _handed_over(demo)
    demo.write_secret("broken", demo.corrected_entries() | {"smtpPort": "587o"})
    demo.put_events(_RESET, _reset("reset-2", "alan@example.com", project_id="broken"))
    seconds = demo.seconds_until(lambda: bool(_held_emails(demo)), at_most=_DELIVERED_SECONDS)
    demo.get("broken", "emails?status=held", show=("emails",))
    demo.check(f"it is held{_after(seconds)}", is_true=len(_held_emails(demo)) == 1)
    demo.check("no message to the relay, no request to SES", is_true=_handed_over(demo) == before)


def _explained(demo: Demo) -> None:
    demo.section(
        "The admin sees the reason", "The project's configuration shows the problem and the number of held e-mails."
    )
    answer = demo.get("broken", "email-config", show=("state", "problems", "held"))
    entries = [find(problem, "entry") for problem in items(answer.body.get("problems"))]
    demo.check("the state is invalid", is_true=answer.text("state") == "invalid")
    demo.check("the invalid entry is named", is_true=entries == ["smtpPort"])
    demo.check("one e-mail is held", is_true=answer.body.get("held") == 1)


def _released(demo: Demo) -> None:
    demo.section(
        "Held mail leaves after the correction",
        "The admin corrects the port in the AWS console and does nothing else. The service notices the change, "
        "validates the relay and releases the held e-mail.",
    )
    before = demo.counts()
    held = str(find(_held_emails(demo), 0, "id"))
    began = time.monotonic()
    demo.write_secret("broken", demo.corrected_entries())
    verified = demo.seconds_until(lambda: _state(demo) == "verified", at_most=_VERIFIED_SECONDS)
    demo.check(f"the configuration is verified{_after(verified)}", is_true=verified is not None)
    demo.seconds_until(
        lambda: bool(_to(demo, "alan@example.com")), at_most=_DELIVERED_SECONDS - (time.monotonic() - began)
    )
    delivered = time.monotonic() - began
    arrived = _only(_to(demo, "alan@example.com"))
    echo(f"   {arrived.get('from')}: {arrived.get('subject')}")
    demo.check(f"the relay received it{_after(delivered)}", is_true=arrived.get("transport") == RELAY)
    demo.seconds_until(lambda: _status(demo, "broken", held) == "sent", at_most=_VERIFIED_SECONDS)
    answer = demo.get("broken", f"emails/{held}", show=("status", "type", "attempts", "recipients"))
    attempts = items(answer.body.get("attempts"))
    demo.check("the history says that it was sent", is_true=answer.text("status") == "sent")
    demo.check(
        "in one attempt, by the relay",
        is_true=[(find(each, "transport"), find(each, "result")) for each in attempts] == [(RELAY, "accepted")],
    )
    demo.check("SES was not contacted", is_true=demo.counts()["ses_requests"] == before["ses_requests"])


def _once(demo: Demo) -> None:
    demo.section(
        "Requested twice, sent once",
        "Buses and queues may deliver an event twice, and callers may repeat a request after a lost connection. "
        "Events with one requestId, and requests with one Idempotency-Key, give one e-mail.",
    )
    twice = _reset("reset-3", "edsger@example.com", project_id="acme")
    demo.put_events(_RESET, twice, twice)
    key = {"Idempotency-Key": "order-1138"}
    answers = [demo.post("acme", "emails", email("Your order"), show=("id", "status"), headers=key) for _ in range(2)]
    identities = {answer.text("id") for answer in answers}
    demo.check(
        "both requests have the same answer",
        is_true=len(identities) == 1 and [answer.status for answer in answers] == [200, 200],
    )
    demo.check("the relay received one order", is_true=len(demo.messages(subject="Your order")) == 1)
    seconds = demo.seconds_until(lambda: bool(_to(demo, "edsger@example.com")), at_most=_DELIVERED_SECONDS)
    demo.check(f"the relay received one reset{_after(seconds)}", is_true=len(_to(demo, "edsger@example.com")) == 1)


def _later(demo: Demo) -> None:
    demo.section(
        "Accepted now, delivered later",
        "With `Prefer: respond-async` the caller does not wait. The service also tries deferred recipients again.",
    )
    answer = demo.post(
        "acme", "emails", email("Your report"), show=("id", "status"), headers={"Prefer": "respond-async"}
    )
    demo.check("it is queued", is_true=(answer.status, answer.text("status")) == (202, "queued"))
    seconds = demo.seconds_until(lambda: _status(demo, "acme", answer.text("id")) == "sent", at_most=_DELIVERED_SECONDS)
    demo.check(
        f"the relay received it{_after(seconds)}",
        is_true=seconds is not None and len(demo.messages(subject="Your report")) == 1,
    )
    deferred = demo.post(
        "acme",
        "emails",
        email("Your report") | {"to": f"ada@{DEFERRED_DOMAIN}"},
        show=("id", "status", "deferred"),
    )
    demo.check(
        "the deferred recipient will be tried again",
        is_true=(deferred.status, deferred.text("status")) == (202, "deferred"),
    )


def _counted(demo: Demo) -> None:
    demo.section("The count", "Every e-mail of this part, and its outcome:")
    for address in ("grace@example.com", "alan@example.com", "edsger@example.com"):
        demo.check(f"{address} got one e-mail", is_true=len(_to(demo, address)) == 1)
    resets = [each for each in items(demo.read("acme", "emails").body.get("emails")) if find(each, "type") == _RESET]
    demo.check("the history of acme has one reset", is_true=len(resets) == 1)
    answer = demo.get("broken", "email-config", show=("state", "held"))
    demo.check("no e-mail is held any more", is_true=answer.body.get("held") == 0)


SECTIONS: tuple[Callable[[Demo], None], ...] = (
    _platform_event,
    _held,
    _explained,
    _released,
    _once,
    _later,
    _counted,
)


def _reset(request_id: str, address: str, *, project_id: str | None) -> Json:
    detail: dict[str, object] = {
        "requestId": request_id,
        "user": {"email": address, "name": address.partition("@")[0].title(), "locale": "en"},
        "link": f"https://app.platform.example/reset?token={request_id}",
        "expiresAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds"),
        "projectName": "Platform",
    }
    return detail if project_id is None else detail | {"projectId": project_id}


def _to(demo: Demo, address: str) -> list[Json]:
    return [message for message in demo.messages() if find(message, "envelope", "recipients") == [address]]


def _only(messages: list[Json]) -> Json:
    return messages[0] if len(messages) == 1 else {}


def _held_emails(demo: Demo) -> list[object]:
    return items(demo.read("broken", "emails?status=held").body.get("emails"))


def _handed_over(demo: Demo) -> tuple[int, int]:
    counts = demo.counts()
    return counts["relay_messages"], counts["ses_requests"]


def _state(demo: Demo) -> str:
    return demo.read("broken", "email-config").text("state")


def _status(demo: Demo, project_id: str, identity: str) -> str:
    return demo.read(project_id, f"emails/{identity}").text("status")


def _after(seconds: float | None) -> str:
    return " (not in time)" if seconds is None else f" after {seconds:.1f} s"
