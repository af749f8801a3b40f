"""Authentication with an access token: only over TLS, once, and once more with a new token."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import replace

import pytest
from mailer.adapters.smtp import SmtpOptions, SmtpSender, SmtpTransport
from mailer.adapters.smtp.oauth_tokens import OAuthTokens
from mailer.project import ProjectId
from mailer.relay.relay import OAuthAuth, TlsMode
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, ProbePassed, RelayError, RelayFault, Verdict
from mailer.smtp.outcome import Phase as Reported
from mailer.smtp.reply import WITHHELD

from tests.support.certificates import authority
from tests.support.fault import Intervention, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    EHLO_NAME,
    PATIENT,
    RECIPIENT,
    RELAY_NAME,
    SENDER,
    loopback_resolver,
    make_message,
    relay_at,
    send,
)
from tests.support.steps import Close, Expect, Hang, Send
from tests.support.token_endpoint import (
    LOOPBACK,
    TokenEndpoint,
    answer,
    endpoint,
    grant_at,
    token,
    token_source,
)

RELAYS_TOO = replace(LOOPBACK, networks=LOOPBACK.https_networks)
MAILBOX = "m\u00fcller@acme.example"
BOTH_MODES = pytest.mark.parametrize("tls", [TlsMode.IMPLICIT, TlsMode.STARTTLS])


def good(access_token: str = "t0ken-1", *, tls: TlsMode = TlsMode.IMPLICIT) -> Relay:
    return Relay(
        tls=Tls(tls.value),
        context=authority().valid(RELAY_NAME),
        credentials=(MAILBOX, access_token),
        mechanisms=(b"PLAIN", b"LOGIN", b"XOAUTH2"),
    )


type Script = Relay | Callable[[int], Relay]


class Setup:
    """The transport with a relay and a token endpoint."""

    def __init__(
        self,
        relay: Script,
        tokens: TokenEndpoint,
        *,
        tls: TlsMode = TlsMode.IMPLICIT,
        source: OAuthTokens | None = None,
    ) -> None:
        self.relay, self.tokens = HostileRelay(relay), HostileRelay(tokens)
        self._tls = tls
        self.sender = SmtpSender(
            policy=RELAYS_TOO,
            options=SmtpOptions(ehlo_name=EHLO_NAME, final_reply_seconds=0.1),
            resolver=loopback_resolver,
            tokens=source or token_source(),
        )
        self.transport = SmtpTransport(self.sender)

    def __enter__(self) -> "Setup":
        self._stack = ExitStack()
        self._stack.enter_context(self.relay)
        self._stack.enter_context(self.tokens)
        self._stack.callback(self.transport.close)
        self.configured = relay_at(self.relay, tls=self._tls, auth=OAuthAuth(MAILBOX, grant_at(self.tokens)))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def send(self, *, version_id: str = "v1") -> Verdict:
        return send(self.transport, self.configured, make_message(), version_id=version_id).attempt.verdicts[RECIPIENT]

    def probe(self) -> Failure | ProbePassed:
        return self.transport.probe(
            self.configured, envelope_sender=str(SENDER), recipient=str(SENDER), deadline=time.monotonic() + PATIENT
        )


def failure_of(verdict: Verdict) -> Failure:
    assert not isinstance(verdict, Accepted)
    return verdict.failure


@BOTH_MODES
def test_D16_a_message_leaves_with_an_access_token(tls: TlsMode) -> None:
    behaviour = endpoint(token("t0ken-1"))

    with Setup(good(tls=tls), behaviour, tls=tls) as setup:
        verdict = setup.send()

    assert isinstance(verdict, Accepted)
    assert [message.authenticated_as for message in setup.relay.messages] == [MAILBOX]
    expected = base64.b64encode(f"user={MAILBOX}\1auth=Bearer t0ken-1\1\1".encode())
    assert [command for command in setup.relay.commands if command.startswith(b"AUTH")] == [b"AUTH XOAUTH2 " + expected]
    assert setup.relay.violations == ()


def test_the_second_message_needs_no_new_token() -> None:
    behaviour = endpoint(token("t0ken-1"))

    with Setup(good(), behaviour) as setup:
        assert isinstance(setup.send(), Accepted)
        assert isinstance(setup.send(), Accepted)

    assert (len(behaviour.requests), len(setup.relay.connections)) == (1, 1)


def test_SH10_another_version_of_the_secret_fetches_its_own_token() -> None:
    behaviour = endpoint(token("t0ken-1"))

    with Setup(good(), behaviour) as setup:
        setup.send(version_id="v1")
        setup.send(version_id="v2")

    assert (len(behaviour.requests), setup.relay.auth_attempts) == (2, 2)


def test_concurrent_messages_share_a_token_and_no_connection() -> None:
    behaviour = endpoint(token("t0ken-1"))

    async def sending(setup: Setup) -> list[Verdict]:
        deadline = time.monotonic() + PATIENT
        attempts = await asyncio.gather(
            *(
                setup.sender.send(
                    make_message(), setup.configured, project_id=ProjectId("acme"), version_id="v1", deadline=deadline
                )
                for _ in range(5)
            )
        )
        await setup.sender.close()
        return [attempt.verdicts[RECIPIENT] for attempt in attempts]

    with Setup(good(), behaviour) as setup:
        verdicts = asyncio.run(sending(setup))

    assert all(isinstance(verdict, Accepted) for verdict in verdicts)
    assert (len(behaviour.requests), len(setup.relay.connections)) == (1, 5)


def test_a_token_that_was_revoked_is_replaced_on_a_new_connection() -> None:
    behaviour = endpoint(token("t0ken-1"), token("t0ken-2"))

    with Setup(lambda number: good("t0ken-1" if number == 0 else "t0ken-2"), behaviour) as setup:
        setup.send()
        leave_the_warm_session(setup)
        verdict = setup.send()

    assert isinstance(verdict, Accepted)
    assert len(behaviour.requests) == 2
    # The refused one ended its connection, and each connection saw one AUTH.
    assert [connection.auth_attempts for connection in setup.relay.connections] == [1, 1, 1]
    assert setup.relay.violations == ()


def leave_the_warm_session(setup: Setup) -> None:
    """Return the relay with other timeouts, so that the next message opens a new session."""
    setup.configured = replace(setup.configured, socket_timeout=setup.configured.socket_timeout + 1)


def test_a_refused_token_is_replaced_once_and_then_reported() -> None:
    behaviour = endpoint(token("t0ken-1"), token("t0ken-2"), token("t0ken-3"))

    with Setup(good("another"), behaviour) as setup:
        verdict = setup.send()

    assert isinstance(verdict, RelayError)
    assert verdict.fault is RelayFault.AUTH_REJECTED
    assert verdict.failure.reply is not None
    assert verdict.failure.reply.code == 535
    assert len(behaviour.requests) == 2
    assert [connection.auth_attempts for connection in setup.relay.connections] == [1, 1]
    # The error that came as a challenge was answered by an empty line.
    assert [connection.verbs[-1] for connection in setup.relay.connections] == [b"", b""]
    assert setup.relay.messages == ()
    assert setup.relay.violations == ()


@pytest.mark.parametrize("code", [534, 538, 550, 454])
def test_no_other_refusal_fetches_another_token(code: int) -> None:
    behaviour = endpoint(token("t0ken-1"))
    refusing = replace(
        good(), faults={Phase.AUTH: Intervention((Send(b"%d 5.7.0 No\r\n" % code),), takes_effect=False)}
    )

    with Setup(refusing, behaviour) as setup:
        verdict = setup.send()

    assert isinstance(verdict, Deferred if code == 454 else RelayError)
    assert (len(behaviour.requests), setup.relay.auth_attempts) == (1, 1)


def test_no_token_is_fetched_for_a_relay_without_xoauth2() -> None:
    behaviour = endpoint(token("t0ken-1"))

    with Setup(replace(good(), mechanisms=(b"PLAIN", b"LOGIN", b"OAUTHBEARER")), behaviour) as setup:
        verdict = setup.send()

    assert isinstance(verdict, RelayError)
    assert failure_of(verdict) == Failure(Reported.AUTH, Cause.AUTH_MECHANISM_UNSUPPORTED)
    assert (behaviour.requests, setup.relay.auth_attempts) == ([], 0)


@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.STARTTLS_IF_OFFERED])
def test_TL1_no_token_is_fetched_or_sent_without_tls(tls: TlsMode) -> None:
    behaviour = endpoint(token("t0ken-1"))
    in_clear = replace(good(), tls=Tls.NONE, context=None, extensions_in_clear=(b"AUTH PLAIN LOGIN XOAUTH2",))

    with Setup(in_clear, behaviour, tls=tls) as setup:
        verdict = setup.send()

    assert failure_of(verdict) == Failure(Reported.STARTTLS, Cause.STARTTLS_NOT_OFFERED)
    assert (behaviour.requests, setup.relay.auth_attempts, setup.relay.auth_in_clear) == ([], 0, False)


def test_no_token_is_fetched_for_a_relay_with_another_name() -> None:
    behaviour = endpoint(token("t0ken-1"))
    other = replace(good(), context=authority().valid("other.example.com"))

    with Setup(other, behaviour) as setup:
        assert failure_of(setup.send()).cause is Cause.CERTIFICATE_HOST_MISMATCH

    assert behaviour.requests == []


def echo(text: Callable[[str], bytes]) -> Intervention:
    return Intervention((Send(b"535 5.7.8 " + text("l0ng-t0ken-canary") + b"\r\n"),), takes_effect=False)


@pytest.mark.parametrize(
    "text",
    [
        str.encode,
        lambda value: base64.b64encode(f"user={MAILBOX}\1auth=Bearer {value}\1\1".encode()),
        lambda value: value.encode().hex().encode(),
    ],
)
def test_HR11_a_reply_that_repeats_the_token_is_withheld(text: Callable[[str], bytes]) -> None:
    relay_behaviour = replace(good(), faults={Phase.AUTH: echo(text)})

    with Setup(relay_behaviour, endpoint(token("l0ng-t0ken-canary"))) as setup:
        failure = failure_of(setup.send())

    assert failure.reply is not None
    assert failure.reply.text == WITHHELD


def test_HR11_a_token_that_is_repeated_after_authentication_is_withheld_too() -> None:
    relay_behaviour = replace(
        good("l0ng-t0ken-canary"),
        faults={Phase.MAIL: Intervention((Send(b"550 l0ng-t0ken-canary\r\n"),), takes_effect=False)},
    )

    with Setup(relay_behaviour, endpoint(token("l0ng-t0ken-canary"))) as setup:
        failure = failure_of(setup.send())

    assert failure.reply is not None
    assert failure.reply.text == WITHHELD


ERRORS = base64.b64encode(json.dumps({"status": "401"}).encode())


@pytest.mark.parametrize(
    ("steps", "cause"),
    [
        ((Send(b"334 " + ERRORS + b"\r\n"), Expect(b""), Send(b"334 " + ERRORS + b"\r\n"), Hang()), Cause.REPLY),
        ((Send(b"334 " + ERRORS + b"\r\n"), Expect(b""), Close()), Cause.CONNECTION_LOST),
    ],
)
def test_a_malformed_auth_dialogue_is_not_accepted(steps: Sequence[Send], cause: Cause) -> None:
    relay_behaviour = replace(good(), faults={Phase.AUTH: Intervention(tuple(steps), takes_effect=True)})

    with Setup(relay_behaviour, endpoint(token("t0ken-1"))) as setup:
        verdict = setup.send()

    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is cause
    assert setup.relay.messages == ()


def admins_turn(cause: Cause) -> RelayError:
    return RelayError(RelayFault.AUTH_REJECTED, Failure(Reported.AUTH, cause))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(400, error="invalid_client"), admins_turn(Cause.OAUTH_CLIENT_REJECTED)),
        (answer(400, error="invalid_grant"), admins_turn(Cause.OAUTH_GRANT_REJECTED)),
        (answer(400, error="invalid_scope"), admins_turn(Cause.OAUTH_SCOPE_REJECTED)),
        (answer(404), admins_turn(Cause.OAUTH_REQUEST_REJECTED)),
        (answer(503), Deferred(Failure(Reported.AUTH, Cause.OAUTH_UNAVAILABLE))),
        (answer(), Deferred(Failure(Reported.AUTH, Cause.OAUTH_ANSWER_MALFORMED))),
    ],
    ids=repr,
)
def test_without_a_token_no_auth_is_sent_to_the_relay(said: Send, expected: Verdict) -> None:
    with Setup(good(), endpoint(said)) as setup:
        assert setup.send() == expected

    assert setup.relay.auth_attempts == 0


def test_SH1_an_endpoint_with_an_internal_address_is_the_admin_s_error() -> None:
    nowhere_inside = token_source(policy=replace(RELAYS_TOO, https_networks=()))

    with Setup(good(), endpoint(token("t0ken-1")), source=nowhere_inside) as setup:
        verdict = setup.send()

    assert verdict == RelayError(RelayFault.HOST_BLOCKED, Failure(Reported.AUTH, Cause.HOST_BLOCKED))
    assert setup.tokens.connections == ()


def test_an_untrusted_endpoint_is_the_admin_s_error() -> None:
    behaviour = TokenEndpoint([token("t0ken-1")], authority().valid("other.example.com"))

    with Setup(good(), behaviour) as setup:
        verdict = setup.send()

    assert verdict == RelayError(RelayFault.TLS_FAILED, Failure(Reported.AUTH, Cause.CERTIFICATE_HOST_MISMATCH))


def test_the_relay_s_own_authority_is_not_trusted_for_the_endpoint() -> None:
    # The default token source: the relay's PEM is not one of the system's authorities.
    own = OAuthTokens(policy=LOOPBACK, resolver=loopback_resolver)

    with Setup(good(), endpoint(token("t0ken-1")), source=own) as setup:
        assert failure_of(setup.send()) == Failure(Reported.AUTH, Cause.CERTIFICATE_UNTRUSTED)


def test_a_sender_without_a_token_source_creates_one() -> None:
    sender = SmtpSender(policy=RELAYS_TOO, options=SmtpOptions(ehlo_name=EHLO_NAME), resolver=loopback_resolver)

    with HostileRelay(good()) as relay, HostileRelay(endpoint(token("t0ken-1"))) as tokens:
        configured = relay_at(relay, auth=OAuthAuth(MAILBOX, grant_at(tokens)))
        transport = SmtpTransport(sender)
        verdict = send(transport, configured, make_message()).attempt.verdicts[RECIPIENT]
        transport.close()

    assert failure_of(verdict).cause is Cause.CERTIFICATE_UNTRUSTED


def test_each_probe_fetches_a_new_token_and_caches_none() -> None:
    behaviour = endpoint(token("t0ken-1"))

    with Setup(good(), behaviour) as setup:
        assert setup.probe() == ProbePassed(is_protected=True)
        assert setup.probe() == ProbePassed(is_protected=True)
        assert isinstance(setup.send(), Accepted)

    assert len(behaviour.requests) == 3


def test_a_refused_probe_is_not_repeated() -> None:
    behaviour = endpoint(token("t0ken-1"))

    with Setup(good("another"), behaviour) as setup:
        walk = setup.probe()

    assert isinstance(walk, Failure)
    assert walk.phase is Reported.AUTH
    assert (len(behaviour.requests), setup.relay.auth_attempts) == (1, 1)


def test_a_slow_token_endpoint_does_not_extend_the_deadline() -> None:
    with Setup(good(), endpoint(Hang())) as setup:
        sent = send(setup.transport, setup.configured, make_message(), budget=0.4)

    assert sent.seconds < 2
    verdict = sent.attempt.verdicts[RECIPIENT]
    assert isinstance(verdict, Deferred)
    assert verdict.failure.phase is Reported.AUTH
