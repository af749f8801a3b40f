"""The second part of the story: what was accepted is never lost and never doubled, whatever happens to the secret."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from local.client import Json, find
from local.relay import DEFERRED_DOMAIN
from local.story import RELAY, SES, Story, email, items, say

_RESET = "PasswordResetRequested"
_VERIFIED_SECONDS = 5.0
_DELIVERED_SECONDS = 10.0


def _platform_event(story: Story) -> None:
    story.chapter(
        "An event becomes an e-mail",
        "The identity service puts an event on the bus and hears nothing more: nobody learns from an answer whether an "
        "account exists. Without a project it is the platform that writes, by its own SES.",
    )
    story.put_events(_RESET, _reset("reset-1", "grace@example.com", project_id=None))
    seconds = story.seconds_until(lambda: bool(_to(story, "grace@example.com")), at_most=_DELIVERED_SECONDS)
    arrived = _only(_to(story, "grace@example.com"))
    say(f"   {arrived.get('from')}: {arrived.get('subject')}")
    story.fact(f"SES received it{_after(seconds)}", is_true=arrived.get("transport") == SES)
    story.fact("it comes from the platform", is_true="platform.example" in str(arrived.get("from")))


def _held(story: Story) -> None:
    story.chapter(
        "A password reset meets a broken secret",
        "The admin of `broken` edits the secret once more and mistypes the port. Now a user asks for a new password. "
        "The e-mail can neither leave by the relay nor may it leave by SES, so it is held.",
    )
    before = _handed_over(story)
    story.write_secret("broken", story.mended_entries() | {"smtpPort": "587o"})
    story.put_events(_RESET, _reset("reset-2", "alan@example.com", project_id="broken"))
    seconds = story.seconds_until(lambda: bool(_held_emails(story)), at_most=_DELIVERED_SECONDS)
    story.get("broken", "emails?status=held", show=("emails",))
    story.fact(f"it is held{_after(seconds)}", is_true=len(_held_emails(story)) == 1)
    story.fact("no message to the relay, no request to SES", is_true=_handed_over(story) == before)


def _explained(story: Story) -> None:
    story.chapter("The admin reads why", "The project's configuration says what is wrong, and what waits for it.")
    answer = story.get("broken", "email-config", show=("state", "problems", "held"))
    entries = [find(problem, "entry") for problem in items(answer.body.get("problems"))]
    story.fact("the state is invalid", is_true=answer.text("state") == "invalid")
    story.fact("the entry at fault is named", is_true=entries == ["smtpPort"])
    story.fact("one e-mail is held", is_true=answer.body.get("held") == 1)


def _released(story: Story) -> None:
    story.chapter(
        "Mended, it leaves by itself",
        "The admin corrects the port in the AWS console and does nothing else. The change is noticed, the relay is "
        "tried out, and what was held is released.",
    )
    before = story.counts()
    held = str(find(_held_emails(story), 0, "id"))
    began = time.monotonic()
    story.write_secret("broken", story.mended_entries())
    verified = story.seconds_until(lambda: _state(story) == "verified", at_most=_VERIFIED_SECONDS)
    story.fact(f"the configuration is verified{_after(verified)}", is_true=verified is not None)
    story.seconds_until(
        lambda: bool(_to(story, "alan@example.com")), at_most=_DELIVERED_SECONDS - (time.monotonic() - began)
    )
    delivered = time.monotonic() - began
    arrived = _only(_to(story, "alan@example.com"))
    say(f"   {arrived.get('from')}: {arrived.get('subject')}")
    story.fact(f"the relay received it{_after(delivered)}", is_true=arrived.get("transport") == RELAY)
    story.seconds_until(lambda: _status(story, "broken", held) == "sent", at_most=_VERIFIED_SECONDS)
    answer = story.get("broken", f"emails/{held}", show=("status", "type", "attempts", "recipients"))
    attempts = items(answer.body.get("attempts"))
    story.fact("the history says that it was sent", is_true=answer.text("status") == "sent")
    story.fact(
        "in one attempt, by the relay",
        is_true=[(find(each, "transport"), find(each, "result")) for each in attempts] == [(RELAY, "accepted")],
    )
    story.fact("SES was not asked", is_true=story.counts()["ses_requests"] == before["ses_requests"])


def _once(story: Story) -> None:
    story.chapter(
        "Asked twice, sent once",
        "Buses and queues deliver at least once, and callers whose connection broke ask again. An event's requestId "
        "and a request's Idempotency-Key stand for one e-mail.",
    )
    twice = _reset("reset-3", "edsger@example.com", project_id="acme")
    story.put_events(_RESET, twice, twice)
    key = {"Idempotency-Key": "order-1138"}
    answers = [story.post("acme", "emails", email("Your order"), show=("id", "status"), headers=key) for _ in range(2)]
    identities = {answer.text("id") for answer in answers}
    story.fact(
        "both requests have the same answer",
        is_true=len(identities) == 1 and [answer.status for answer in answers] == [200, 200],
    )
    story.fact("the relay received one order", is_true=len(story.messages(subject="Your order")) == 1)
    seconds = story.seconds_until(lambda: bool(_to(story, "edsger@example.com")), at_most=_DELIVERED_SECONDS)
    story.fact(f"the relay received one reset{_after(seconds)}", is_true=len(_to(story, "edsger@example.com")) == 1)


def _later(story: Story) -> None:
    story.chapter(
        "Accepted now, delivered later",
        "A caller who does not want to wait says so. And a relay that asks to come back later is taken at its word.",
    )
    answer = story.post(
        "acme", "emails", email("Your report"), show=("id", "status"), headers={"Prefer": "respond-async"}
    )
    story.fact("it is queued", is_true=(answer.status, answer.text("status")) == (202, "queued"))
    seconds = story.seconds_until(
        lambda: _status(story, "acme", answer.text("id")) == "sent", at_most=_DELIVERED_SECONDS
    )
    story.fact(
        f"the relay received it{_after(seconds)}",
        is_true=seconds is not None and len(story.messages(subject="Your report")) == 1,
    )
    deferred = story.post(
        "acme",
        "emails",
        email("Your report") | {"to": f"ada@{DEFERRED_DOMAIN}"},
        show=("id", "status", "deferred"),
    )
    story.fact(
        "a recipient whom the relay defers is tried again later",
        is_true=(deferred.status, deferred.text("status")) == (202, "deferred"),
    )


def _counted(story: Story) -> None:
    story.chapter("The account", "Everything that was asked for in this part, and what became of it:")
    for address in ("grace@example.com", "alan@example.com", "edsger@example.com"):
        story.fact(f"{address} got one e-mail", is_true=len(_to(story, address)) == 1)
    resets = [each for each in items(story.look("acme", "emails").body.get("emails")) if find(each, "type") == _RESET]
    story.fact("the history of acme has one reset", is_true=len(resets) == 1)
    answer = story.get("broken", "email-config", show=("state", "held"))
    story.fact("nothing is held any more", is_true=answer.body.get("held") == 0)


CHAPTERS: tuple[Callable[[Story], None], ...] = (
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


def _to(story: Story, address: str) -> list[Json]:
    return [message for message in story.messages() if find(message, "envelope", "recipients") == [address]]


def _only(messages: list[Json]) -> Json:
    return messages[0] if len(messages) == 1 else {}


def _held_emails(story: Story) -> list[object]:
    return items(story.look("broken", "emails?status=held").body.get("emails"))


def _handed_over(story: Story) -> tuple[int, int]:
    counts = story.counts()
    return counts["relay_messages"], counts["ses_requests"]


def _state(story: Story) -> str:
    return story.look("broken", "email-config").text("state")


def _status(story: Story, project_id: str, identity: str) -> str:
    return story.look(project_id, f"emails/{identity}").text("status")


def _after(seconds: float | None) -> str:
    return " (not in time)" if seconds is None else f" after {seconds:.1f} s"
