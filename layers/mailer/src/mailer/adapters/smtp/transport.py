"""The relay transport: one attempt on a warm or a new session, within one deadline."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from copy import replace
from typing import TYPE_CHECKING

import msgspec
from msgspec import field

from mailer.adapters.net.dial import Dialer, Resolver, system_resolver
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.net.own_loop import OwnLoop
from mailer.adapters.smtp.pool import Freshness, Pool, PooledSession
from mailer.adapters.smtp.proven import Proven
from mailer.adapters.smtp.session import Session, SessionFailed, open_session
from mailer.adapters.smtp.transaction import Limits, Transacted, transact
from mailer.adapters.smtp.wire import Broken
from mailer.message.address import Address
from mailer.message.message import Message
from mailer.project import ProjectId
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import NoAuth, OAuthAuth, Relay
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Attempt, Cause, Failure, Phase, ProbePassed, Verdict
from mailer.smtp.recipient_limit import is_session_full, next_recipients
from mailer.smtp.verdict import judge_probe_recipient

if TYPE_CHECKING:
    from mailer.adapters.smtp.oauth_tokens import OAuthTokens

type _Key = tuple[ProjectId, str, Relay]

_CREDENTIALS_INVALID = 535
_DONE = 250


class SmtpOptions(msgspec.Struct, frozen=True):
    """Options of the SMTP client; times in seconds.

    If the replies to an envelope take longer than `slow_envelope_seconds`, the next message waits for them. While a
    relay takes no further connection, an attempt tries again after each of `busy_pauses`.
    """

    ehlo_name: str
    final_reply_seconds: float = 10.0
    slow_envelope_seconds: float = 1.0
    busy_pauses: tuple[float, ...] = (0.5, 1.0, 2.0)
    freshness: Freshness = field(default_factory=Freshness)


class SmtpSender:
    """Sends on the running event loop; concurrent attempts use one session each.

    `tokens` is the source of access tokens for OAuth 2.0; by default an `OAuthTokens` is created when it is needed.
    """

    def __init__(
        self,
        *,
        policy: RelayPolicy,
        options: SmtpOptions,
        resolver: Resolver = system_resolver,
        clocks: Clocks = Clocks(),  # noqa: B008 -- frozen, with two functions only
        tokens: "OAuthTokens | None" = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._tokens = tokens
        self._dialer = Dialer(policy, resolver)
        self._options = options
        self._clocks = clocks
        self._pool: Pool[_Key] = Pool(clocks=clocks, freshness=options.freshness)
        self._proven = Proven()

    async def send(
        self,
        message: Message,
        relay: Relay,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None] = lambda: None,
    ) -> Attempt:
        """Make one attempt; `deadline` is in `time.monotonic` seconds, which is the loop's clock.

        If the relay takes only some of the recipients at a time, the attempt has several transactions.
        """
        key: _Key = (project_id, version_id, relay)
        limits = Limits(
            deadline,
            relay.socket_timeout,
            self._options.final_reply_seconds,
            slow_envelope_seconds=self._options.slow_envelope_seconds,
        )
        before_any_end = _once(before_end)
        verdicts: dict[Address, Verdict] = {}
        waiting: tuple[Address, ...] = ()
        offered = message.recipients
        while offered:
            transacted = await self._send_part(replace(message, recipients=offered), key, limits, before_any_end)
            verdicts.update(transacted.attempt.verdicts)
            offered, waiting = next_recipients(offered, waiting, verdicts)
        return Attempt({recipient: verdicts[recipient] for recipient in message.recipients})

    async def _send_part(
        self, message: Message, key: _Key, limits: Limits, before_end: Callable[[], None]
    ) -> Transacted:
        """Make one transaction. If a warm session cannot take the message, go on to another session."""
        while (pooled := await self._pool.take(key)) is not None:
            transacted = await self._transact(pooled, message, limits, before_end)
            if not (transacted.is_untouched or is_session_full(transacted.attempt)):
                return transacted
        project_id, version_id, relay = key
        try:
            session = await self._open(relay, limits.deadline, owner=(project_id, version_id))
        except SessionFailed as failed:
            return Transacted(Attempt.uniform(message.recipients, failed.verdict))
        now = self._clocks.now()
        return await self._transact(PooledSession(key, session, now.monotonic, now), message, limits, before_end)

    async def probe(
        self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float
    ) -> Failure | ProbePassed:
        """Connect, authenticate, send MAIL, RCPT, RSET and QUIT; return the failure, or `ProbePassed`."""
        try:
            session = await self._open(relay, deadline, owner=None)
        except SessionFailed as failed:
            return failed.failure
        phase = Phase.MAIL
        try:
            until = min(self._clocks.monotonic() + relay.socket_timeout, deadline)
            mail = await session.wire.ask(f"MAIL FROM:<{envelope_sender}>\r\n".encode("ascii"), until)
            if mail.code != _DONE:
                return Failure(phase, Cause.REPLY, mail)
            phase = Phase.RCPT
            until = min(self._clocks.monotonic() + relay.socket_timeout, deadline)
            rcpt = await session.wire.ask(f"RCPT TO:<{recipient}>\r\n".encode("ascii"), until)
            return judge_probe_recipient(rcpt) or ProbePassed(session.is_protected)
        except Broken as broken:
            return Failure(phase, broken.cause)
        finally:
            with suppress(Broken):
                session.wire.write(b"RSET\r\n")
            await session.wire.leave()

    @property
    def has_idle(self) -> bool:
        """Whether a warm session is kept."""
        return self._pool.has_idle

    async def close_idle(self) -> None:
        """Send QUIT on the warm sessions, and do not wait for the relays."""
        self._pool.dismiss()

    async def close(self) -> None:
        """Close the warm sessions."""
        await self._pool.close()

    async def _open(self, relay: Relay, deadline: float, *, owner: Hashable | None) -> Session:
        """Open a session; raises `SessionFailed`. A busy relay is asked again if time for the message remains."""
        for pause in self._options.busy_pauses:
            try:
                return await self._open_once(relay, deadline, owner=owner)
            except SessionFailed as failed:
                if failed.failure.cause is not Cause.TOO_MANY_CONNECTIONS:
                    raise
                if self._clocks.monotonic() + pause >= deadline - self._options.final_reply_seconds:
                    raise
            await asyncio.sleep(pause)
        return await self._open_once(relay, deadline, owner=owner)

    async def _open_once(self, relay: Relay, deadline: float, *, owner: Hashable | None) -> Session:
        auth, dialer, shown = relay.auth, self._dialer, None
        ehlo_name = self._options.ehlo_name

        async def token() -> SecretStr:
            nonlocal shown
            if not isinstance(auth, OAuthAuth):
                raise TypeError(type(auth).__name__)
            # If this is the second call, the relay has refused the token of the first call.
            shown = await self._token_source().token(auth.grant, owner=owner, deadline=deadline, refused=shown)
            return shown

        try:
            return await open_session(relay, dialer=dialer, ehlo_name=ehlo_name, deadline=deadline, token=token)
        except SessionFailed as failed:
            # A cached token may have been revoked: try one new token. The token of a probe is always new.
            if shown is None or owner is None or not _is_refused(failed.failure):
                raise
        return await open_session(relay, dialer=dialer, ehlo_name=ehlo_name, deadline=deadline, token=token)

    def _token_source(self) -> "OAuthTokens":
        if self._tokens is None:
            from mailer.adapters.smtp.oauth_tokens import OAuthTokens  # noqa: PLC0415 -- few relays use tokens

            self._tokens = OAuthTokens(policy=self._policy, resolver=self._resolver)
        return self._tokens

    async def _transact(
        self, pooled: PooledSession[_Key], message: Message, limits: Limits, before_end: Callable[[], None]
    ) -> Transacted:
        if pooled.may_be_dead:
            limits = replace(limits, sign_of_life_seconds=self._options.freshness.sign_of_life_seconds)
        relay = pooled.key[2]
        # Without a login a relay may read the content of a chunk as commands.
        known = None if isinstance(relay.auth, NoAuth) else self._proven.wording(pooled.key)
        transacted = await transact(pooled.session, message, limits, before_end, known=known)
        self._proven.note(pooled.key, transacted.wording)
        if transacted.is_clean:
            self._pool.put(pooled)
        return transacted


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls `call` until one call succeeds."""
    is_done = False

    def call_once() -> None:
        nonlocal is_done
        if not is_done:
            call()
            is_done = True

    return call_once


def _is_refused(failure: Failure) -> bool:
    return failure.phase is Phase.AUTH and failure.reply is not None and failure.reply.code == _CREDENTIALS_INVALID


class SmtpTransport:
    """Implements `RelayTransport` and `RelayProbe` for callers without an event loop; it has its own loop.

    One thread uses it at a time. The loop and the warm sessions live as long as the execution environment.
    """

    def __init__(self, sender: SmtpSender) -> None:
        self._loop = OwnLoop()
        self._sender = sender
        self.send = self._loop.blocking(sender.send)
        self.probe = self._loop.blocking(sender.probe)

    def close_idle(self) -> None:
        """Send QUIT on the warm sessions, so that none of them outlives a pause of this process."""
        if self._sender.has_idle:
            self._loop.run(self._sender.close_idle())

    def close(self) -> None:
        """Close the warm sessions and the loop."""
        self._loop.run(self._sender.close())
        self._loop.close()
