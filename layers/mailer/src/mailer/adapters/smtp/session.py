"""From a connected socket to an authenticated session, with aiosmtplib; failures name their phase.

Rules: TLS is never weaker than configured. Credentials are sent only over TLS, after the certificate was checked
against the relay's name. There is one AUTH attempt with one mechanism. An access token is fetched after EHLO, and only
if the relay offers XOAUTH2. Before MAIL nothing can have been accepted, so after every failure here the message was
provably not accepted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

import aiosmtplib
import msgspec
from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPTimeoutError

from mailer.adapters.net.dial import Dialer, DialFailed
from mailer.adapters.net.tls import client_context, find_tls_error, handshake_failure, is_verified
from mailer.adapters.smtp.wire import Wire
from mailer.relay.relay import NoAuth, OAuthAuth, PasswordAuth, Relay, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.smtp.busy import name_busy
from mailer.smtp.outcome import Cause, Failure, Phase, Verdict
from mailer.smtp.redaction import credential_detector, secret_detector
from mailer.smtp.reply import make_reply
from mailer.smtp.verdict import judge_session

type TokenSource = Callable[[], Awaitable[SecretStr]]


class TokenFailed(Exception):
    """An access token could not be fetched; `cause` is the reason."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class SessionFailed(Exception):
    """The session could not be opened; `verdict` holds for every recipient."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.cause.value)
        self.failure = name_busy(failure)
        self.verdict: Verdict = judge_session(self.failure)


class Extensions(msgspec.Struct, frozen=True):
    """The extensions that the relay offers over TLS; `size` is its limit for a message in octets, or None."""

    pipelining: bool
    chunking: bool
    has_size: bool
    size: int | None


class Session(msgspec.Struct):
    """An authenticated connection, driven by `Wire`."""

    wire: Wire
    extensions: Extensions
    is_protected: bool = True


async def open_session(relay: Relay, *, dialer: Dialer, ehlo_name: str, deadline: float, token: TokenSource) -> Session:
    """Connect, start TLS, send EHLO and authenticate; raises `SessionFailed`.

    `token` is called for a relay with OAuth 2.0: it returns an access token, or raises `TokenFailed`.
    """
    progress = _Progress(repeats_credentials=credential_detector(relay.auth))
    loop = asyncio.get_running_loop()
    client: _Client | None = None
    try:
        async with asyncio.timeout_at(deadline):
            connection = await dialer.dial(relay.host, relay.port, timeout=relay.connection_timeout, deadline=deadline)
            client = _Client(
                hostname=relay.host,
                sock=connection,
                tls_context=client_context(relay.ca_certificate),
                local_hostname=ehlo_name,
                use_tls=relay.tls is TlsMode.IMPLICIT,
                start_tls=False,
                timeout=relay.socket_timeout,
            )
            await _converse(client, relay, progress, token)
            return _take_over(client, loop, progress.repeats_credentials)
    except DialFailed as failed:
        raise SessionFailed(failed.failure) from failed
    except TokenFailed as failed:
        raise SessionFailed(Failure(Phase.AUTH, failed.cause)) from None
    except TimeoutError as error:
        raise SessionFailed(Failure(progress.phase, Cause.TIMEOUT)) from error
    except (SMTPException, OSError, ValueError) as error:
        # The original error is not chained: it may contain credentials that the relay repeated.
        raise SessionFailed(_translate(error, progress)) from None
    finally:
        if client is not None and not progress.is_done:
            client.close()


class _Client(aiosmtplib.SMTP):
    def close(self) -> None:
        """Drop the connection; an orderly TLS shutdown could wait forever and keep the socket."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


class _Progress(msgspec.Struct):
    repeats_credentials: Callable[[str], bool]
    phase: Phase = Phase.CONNECT
    is_done: bool = False


async def _converse(client: aiosmtplib.SMTP, relay: Relay, progress: _Progress, token: TokenSource) -> None:
    progress.phase = Phase.GREETING
    await client.connect(timeout=relay.connection_timeout)
    if relay.tls is not TlsMode.IMPLICIT:
        progress.phase = Phase.EHLO
        await client.ehlo()
        if client.supports_extension("starttls"):
            progress.phase = Phase.STARTTLS
            await client.starttls(server_hostname=relay.host)
        elif relay.tls is TlsMode.STARTTLS or not isinstance(relay.auth, NoAuth):
            raise SessionFailed(Failure(Phase.STARTTLS, Cause.STARTTLS_NOT_OFFERED))
    is_protected = client.get_transport_info("sslcontext") is not None
    if is_protected:
        if not is_verified(client.get_transport_info("ssl_object"), relay.host):
            raise SessionFailed(Failure(Phase.TLS, Cause.CERTIFICATE_HOST_MISMATCH))
        # Extensions that were offered before TLS do not count (RFC 3207 section 4.2).
        progress.phase = Phase.EHLO
        await client.ehlo()
    match relay.auth:
        case NoAuth():
            pass
        case PasswordAuth() | OAuthAuth() if not is_protected:
            raise SessionFailed(Failure(Phase.STARTTLS, Cause.STARTTLS_NOT_OFFERED))
        case PasswordAuth(username, password):
            progress.phase = Phase.AUTH
            await _authenticate(client, username, password.reveal())
        case OAuthAuth(username):
            progress.phase = Phase.AUTH
            await _authenticate_by_token(client, username, token, progress)
        case unreachable:
            assert_never(unreachable)
    progress.is_done = True


async def _authenticate(client: aiosmtplib.SMTP, username: str, password: str) -> None:
    if "plain" in client.server_auth_methods:
        await client.auth_plain(username, password)
    elif "login" in client.server_auth_methods:
        await client.auth_login(username, password)
    else:
        raise SessionFailed(Failure(Phase.AUTH, Cause.AUTH_MECHANISM_UNSUPPORTED))


async def _authenticate_by_token(
    client: aiosmtplib.SMTP, username: str, token: TokenSource, progress: _Progress
) -> None:
    if "xoauth2" not in client.server_auth_methods:
        raise SessionFailed(Failure(Phase.AUTH, Cause.AUTH_MECHANISM_UNSUPPORTED))
    access_token = await token()
    progress.repeats_credentials = secret_detector(access_token)
    await client.auth_xoauth2(username, access_token.reveal())


def _take_over(
    client: aiosmtplib.SMTP, loop: asyncio.AbstractEventLoop, repeats_credentials: Callable[[str], bool]
) -> Session:
    transport = client.transport
    if not isinstance(transport, asyncio.Transport) or transport.is_closing():
        raise SessionFailed(Failure(Phase.MAIL, Cause.CONNECTION_LOST))
    size = client.esmtp_extensions.get("size", "")
    extensions = Extensions(
        pipelining=client.supports_extension("pipelining"),
        chunking=client.supports_extension("chunking"),
        has_size=client.supports_extension("size"),
        size=int(size) if size.isascii() and size.isdigit() and 0 < len(size) < 19 and int(size) > 0 else None,
    )
    wire = Wire(transport, loop=loop, repeats_credentials=repeats_credentials)
    transport.set_protocol(wire)
    return Session(wire, extensions, transport.get_extra_info("sslcontext") is not None)


def _translate(error: SMTPException | OSError | ValueError, progress: _Progress) -> Failure:
    phase = progress.phase
    tls_error = find_tls_error(error)
    if tls_error is not None:
        return Failure(Phase.TLS, handshake_failure(tls_error))
    if isinstance(error, SMTPResponseException):
        if not 200 <= error.code < 600:
            return Failure(phase, Cause.PROTOCOL_VIOLATION)
        reply = make_reply(error.code, error.message, repeats_credentials=progress.repeats_credentials)
        return Failure(phase, Cause.REPLY, reply)
    return Failure(phase, Cause.TIMEOUT if isinstance(error, SMTPTimeoutError) else Cause.CONNECTION_LOST)
