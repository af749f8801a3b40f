"""Relays, HTTP APIs and SES: they fail in every way, and record what they accept.

Faults come from the message's own random generator, so they do not depend on the order of messages.
"""

import hashlib
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from mailer.message.address import Address
from mailer.message.message import Message
from mailer.ports import ApiMessage
from mailer.project import ProjectId
from mailer.relay.provider import ApiAccount
from mailer.relay.relay import PasswordAuth, Relay
from mailer.smtp.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    ProbePassed,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import make_reply

from tests.chaos.dynamodb import refusal
from tests.chaos.facts import Copy, Facts, Request
from tests.chaos.schedule import Schedule

OK = make_reply(250, "2.0.0 Ok")
_EARLY = (Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


def api_host(project_id: str) -> str:
    """Return the name of a project's account at an HTTP API."""
    return f"api.{project_id}.example"


def failed(phase: Phase, cause: Cause = Cause.REPLY, code: int | None = None) -> Failure:
    """Return a failure, with a reply if it has a code."""
    return Failure(phase, cause, None if code is None else make_reply(code, "No"))


@dataclass
class Site:
    """One relay or account: its current password, whether it works, and how many requests it serves now."""

    owner: str
    password: str
    is_down: bool = False
    is_slow: bool = False
    active: int = 0
    most_active: int = 0


@dataclass
class Network:
    """All relays and accounts by host, and the recorder of what they accept."""

    schedule: Schedule
    facts: Facts
    random_of: Callable[[int], random.Random]
    sites: dict[str, Site] = field(default_factory=dict)
    is_healthy: bool = False

    def breaks(self, random: random.Random, probability: float) -> bool:
        """Draw a fault; it is drawn in any case, so that repairing a relay does not change later draws."""
        return random.random() < probability and not self.is_healthy

    def event_of(self, message_id: str) -> int:
        """Return the event of a message."""
        return self.facts.event_of.get(message_id[1:].partition("@")[0], -1)

    def take(
        self, content: bytes, message_id: str, recipients: tuple[str, ...], host: str | None, version: str | None
    ) -> None:
        """Record that a transport accepted a message."""
        event, digest = self.event_of(message_id), hashlib.sha256(content).digest()
        for recipient in recipients:
            copy = Copy(event, recipient, message_id, digest, host, version, self.schedule.now)
            self.facts.copies[event].append(copy)

    def refuse(self, event: int, recipients: tuple[Address, ...] | dict[Address, Verdict]) -> None:
        """Record that a transport refused recipients for good."""
        self.facts.refusals[event].update(map(str, recipients))

    def obstruct(self, event: int, kind: str) -> None:
        """Record that a transport did not take a message now."""
        self.facts.obstruct(event, f"relay {kind}", self.schedule.now)


class SimulatedRelays:
    """Implements `RelayTransport` and `RelayProbe`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._schedule = network.schedule

    def send(
        self,
        message: Message,
        relay: Relay,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """See `RelayTransport`."""
        self._schedule.live()
        return _Conversation(self._network, message, relay.host, version_id, deadline, before_end).hold(
            relay, str(project_id)
        )

    def close_idle(self) -> None:
        """See `RelayTransport`."""

    def probe(self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float) -> Failure | ProbePassed:
        """See `RelayProbe`."""
        self._schedule.live()
        verdict = connect(self._network, relay, self._schedule.worker.random)
        match verdict:
            case None | Accepted():
                return ProbePassed(is_protected=True)
            case Rejected(failure) | Deferred(failure) | Unknown(failure) | RelayError(_, failure):
                return failure


def connect(network: Network, relay: Relay, random: random.Random) -> Verdict | None:
    """Come as far as the transaction, or return the verdict on all recipients."""
    site = network.sites.get(relay.host)
    network.schedule.wait(random.uniform(0.05, 0.5))
    if site is None:
        return Deferred(failed(Phase.RESOLVE, Cause.NAME_NOT_FOUND))
    if site.is_slow:
        network.schedule.wait(random.uniform(5.0, 20.0))
    if site.is_down:
        return Deferred(failed(Phase.CONNECT, random.choice([Cause.REFUSED, Cause.TIMEOUT])))
    if isinstance(relay.auth, PasswordAuth) and relay.auth.password.reveal() != site.password:
        return RelayError(RelayFault.AUTH_REJECTED, failed(Phase.AUTH, code=535))
    if network.breaks(random, 0.04):
        phase = random.choice(_EARLY)
        if phase in (Phase.RESOLVE, Phase.CONNECT):
            return Deferred(failed(phase, Cause.REFUSED))
        return Deferred(failed(phase, code=421) if random.random() < 0.5 else failed(phase, Cause.CONNECTION_LOST))
    if network.breaks(random, 0.003):
        return RelayError(RelayFault.TLS_FAILED, failed(Phase.TLS, Cause.CERTIFICATE_EXPIRED))
    return None


class _Conversation:
    """One transaction with a relay or an HTTP API."""

    def __init__(
        self,
        network: Network,
        message: Message,
        host: str,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> None:
        self._network = network
        self._message = message
        self._host = host
        self._version_id = version_id
        self._deadline = deadline
        self._before_end = before_end
        self._event = network.event_of(message.message_id)
        self._random = network.random_of(self._event)

    def hold(self, relay: Relay, project: str) -> Attempt:
        """Make one attempt, and record it with its faults."""
        network, began = self._network, self._network.schedule.now
        site = network.sites.get(self._host)
        if site is None or site.owner != project:
            network.facts.strayed.append(f"event {self._event} of {project} went to {self._host}")
        is_worker = network.schedule.worker.name.startswith("deliver")
        if site is not None:
            site.active += 1
            site.most_active = max(site.active, site.most_active)
        is_fault = False
        try:
            verdict = connect(network, relay, self._random)
            is_fault = verdict is not None
            if verdict is not None:
                network.obstruct(self._event, "unreachable")
                return Attempt.uniform(self._message.recipients, verdict)
            return self.transact()
        finally:
            if site is not None:
                site.active -= 1
            now = network.schedule.now
            network.facts.requests.append(Request(self._host, self._version_id, began, now, is_fault, is_worker))

    def transact(self) -> Attempt:
        """Send the message on a connection."""
        schedule, random, recipients = self._network.schedule, self._random, self._message.recipients
        if random.random() < 0.3:
            # Too large for one write: the envelope's replies come before the mark.
            refused = self._envelope()
            if len(refused) == len(recipients):
                return Attempt(refused)
            schedule.wait(random.uniform(0.1, 3.0))
            if self._network.breaks(random, 0.02):
                self._network.obstruct(self._event, "lost before the end")
                return Attempt.uniform(recipients, Deferred(failed(Phase.CONTENT, Cause.CONNECTION_LOST)))
            self._before_end()
        else:
            self._before_end()
            schedule.live()
            if self._network.breaks(random, 0.01):
                # The warm session was dead, and the message leaves on a new connection.
                schedule.wait(random.uniform(0.1, 2.0))
            if self._network.breaks(random, 0.01):
                self._network.obstruct(self._event, "asks for a login")
                return Attempt.uniform(recipients, RelayError(RelayFault.AUTH_REJECTED, failed(Phase.MAIL, code=530)))
            refused = self._envelope()
            if len(refused) == len(recipients):
                return Attempt(refused)
        schedule.live()
        return self.end(refused)

    def _envelope(self) -> dict[Address, Verdict]:
        network, random, unique = self._network, self._random, dict.fromkeys(self._message.recipients)
        if network.breaks(random, 0.01):
            network.refuse(self._event, self._message.recipients)
            return dict.fromkeys(unique, Rejected(failed(Phase.MAIL, code=550)))
        if network.breaks(random, 0.02):
            network.obstruct(self._event, "deferred")
            return dict.fromkeys(unique, Deferred(failed(Phase.MAIL, code=random.choice([421, 451]))))
        refused: dict[Address, Verdict] = {}
        for recipient in unique:
            if random.random() < 0.02:
                network.refuse(self._event, (recipient,))
                refused[recipient] = Rejected(failed(Phase.RCPT, code=550))
            elif network.breaks(random, 0.03):
                network.obstruct(self._event, "deferred")
                refused[recipient] = Deferred(failed(Phase.RCPT, code=450))
        return refused

    def end(self, refused: Mapping[Address, Verdict]) -> Attempt:
        """Receive the end of the message, and perhaps reply."""
        network, random = self._network, self._random
        taken = tuple(recipient for recipient in self._message.recipients if recipient not in refused)
        transit = random.random() if not network.is_healthy else 1.0
        verdict: Verdict
        if transit < 0.01:
            network.refuse(self._event, taken)
            verdict = Rejected(failed(Phase.FINAL, code=554))
        elif transit < 0.03:
            network.obstruct(self._event, "deferred")
            verdict = Deferred(failed(Phase.FINAL, code=random.choice([421, 451])))
        else:
            is_lost = transit < 0.06
            if not (is_lost and random.random() < 0.3):
                network.take(
                    self._message.as_bytes(),
                    self._message.message_id,
                    tuple(map(str, taken)),
                    self._host,
                    self._version_id,
                )
            if is_lost:
                network.facts.lost_replies.add(self._event)
                network.obstruct(self._event, "lost its reply")
                cause = random.choice([Cause.CONNECTION_LOST, Cause.TIMEOUT, Cause.PROTOCOL_VIOLATION])
                left = max(0.0, self._deadline - network.schedule.now)
                network.schedule.wait(min(random.uniform(0.1, 30.0), left))
                verdict = Unknown(failed(Phase.FINAL, cause))
            else:
                verdict = Accepted(OK)
        network.schedule.wait(random.uniform(0.05, 0.5))
        return Attempt({**refused, **dict.fromkeys(taken, verdict)})


class SimulatedApis:
    """Implements `ApiTransport` and `ApiProbe`: one request, one verdict for all recipients."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def send(
        self,
        api_message: ApiMessage,
        _account: ApiAccount,
        /,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """See `ApiTransport`."""
        network, host = self._network, api_host(project_id)
        network.schedule.live()
        conversation = _Conversation(network, api_message.message, host, version_id, deadline, before_end)
        before_end()
        network.schedule.live()
        if network.sites[host].is_down:
            network.obstruct(network.event_of(api_message.message.message_id), "unreachable")
            failure = failed(Phase.CONNECT, Cause.REFUSED)
            return Attempt.uniform(api_message.message.recipients, Deferred(failure))
        return conversation.end({})

    def probe(self, _account: ApiAccount, *, deadline: float) -> Failure | ProbePassed:
        """See `ApiProbe`."""
        self._network.schedule.wait(0.1)
        return ProbePassed(is_protected=True)


class SimulatedSes:
    """Implements the part of `SESV2Client` that the adapter uses; `may_send` tells whether a message may leave here."""

    def __init__(self, network: Network, may_send: Callable[[str], bool]) -> None:
        self._network = network
        self._may_send = may_send
        self._hooks: list[Callable[..., None]] = []
        self.meta = SimpleNamespace(events=SimpleNamespace(register=self._register))

    def _register(self, _event: str, hook: Callable[..., None]) -> None:
        self._hooks.append(hook)

    def close(self) -> None:
        """Drop the connections; there are none."""

    def send_email(self, **request: Any) -> dict[str, Any]:
        """Take one message, or fail."""
        network = self._network
        network.schedule.live()
        content: bytes = request["Content"]["Raw"]["Data"]
        recipients = tuple(request["Destination"]["ToAddresses"])
        matched = _MESSAGE_ID.search(content)
        message_id = matched[1].decode() if matched is not None else "<>"
        event = network.event_of(message_id)
        random, owner = network.random_of(event), network.facts.owner_of(event)
        transit = random.random() if not network.is_healthy else 1.0
        prepared = SimpleNamespace(body=content, context={})
        for hook in self._hooks:
            hook(prepared)
        network.schedule.wait(random.uniform(0.02, 0.3))
        if transit < 0.02:
            network.obstruct(event, "unreachable")
            raise EndpointConnectionError(endpoint_url="ses")
        while prepared.body.read(65536):
            pass
        if not self._may_send(message_id[1:].partition("@")[0]):
            network.facts.strayed.append(f"the server got event {event} of {owner}, which chose a relay")
        if transit < 0.04:
            network.obstruct(event, "throttled")
            raise refusal("TooManyRequestsException", "SendEmail")
        if transit < 0.05:
            network.refuse(event, tuple(map(_address, recipients)))
            raise refusal("MessageRejected", "SendEmail")
        is_lost = transit < 0.07
        if not (is_lost and random.random() < 0.3):
            network.take(content, message_id, recipients, None, None)
        network.schedule.live()
        if is_lost:
            network.facts.lost_replies.add(event)
            network.obstruct(event, "lost its reply")
            raise ReadTimeoutError(endpoint_url="ses")
        return {"MessageId": f"ses-{event}"}


def _address(text: str) -> Address:
    local_part, _, domain = text.partition("@")
    return Address(local_part, domain)
