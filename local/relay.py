"""A real SMTP relay for one account, with STARTTLS and implicit TLS; a private CA signs its certificate."""

import asyncio
import hmac
import ssl
import threading
from concurrent.futures import Future
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from local.inbox import Arrival, Contact, Inbox, Receiver, Tls

HOST_NAME = "relay.embedded.example"
USERNAME = "relay-user"
# The relay defers or rejects recipients at these domains.
DEFERRED_DOMAIN = "deferred.example"
REFUSED_DOMAIN = "refused.example"
_ANSWERS = {
    DEFERRED_DOMAIN: "451 4.7.1 Greylisted, try again later",
    REFUSED_DOMAIN: "550 5.1.1 There is no such user here",
}
_IDENTITY = "Embedded relay"


class Relay:
    """Two listeners in one thread; accepted messages go to the inbox."""

    def __init__(self, *, bind_address: str, context: ssl.SSLContext, password: str, inbox: Inbox) -> None:
        self.starttls_port = 0
        self.tls_port = 0
        self._bind_address = bind_address
        self._context = context
        self._password = password
        self._inbox = inbox
        self._listening: Future[asyncio.AbstractEventLoop] = Future()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()
        self._loop = self._listening.result()

    def stop(self) -> None:
        """Close both ports and every connection."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as taken:
            self._listening.set_exception(taken)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        starttls = await loop.create_server(lambda: self._conversation(implicit=False), self._bind_address, 0)
        tls = await loop.create_server(
            lambda: self._conversation(implicit=True), self._bind_address, 0, ssl=self._context
        )
        self.starttls_port = starttls.sockets[0].getsockname()[1]
        self.tls_port = tls.sockets[0].getsockname()[1]
        self._listening.set_result(loop)
        await self._stopped.wait()
        for server in (starttls, tls):
            server.close()
            server.close_clients()

    def _conversation(self, *, implicit: bool) -> "_Conversation":
        self._inbox.count(Contact.RELAY_CONNECTION)
        # aiosmtpd does not detect implicit TLS, and would warn about AUTH in clear text. Therefore `_Policy` enforces
        # "no mail without AUTH" for both listeners.
        return _Conversation(
            _Policy(self._inbox, mode="implicit" if implicit else "starttls"),
            hostname=HOST_NAME,
            ident=_IDENTITY,
            tls_context=None if implicit else self._context,
            require_starttls=not implicit,
            auth_require_tls=not implicit,
            authenticator=self._authenticate,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: object
    ) -> AuthResult:
        success = (
            isinstance(credentials, LoginPassword)
            and hmac.compare_digest(credentials.login, USERNAME.encode())
            and hmac.compare_digest(credentials.password, self._password.encode())
        )
        return AuthResult(success=success, handled=False, auth_data=credentials)


class _Session(Session):
    # aiosmtpd still assigns this deprecated attribute, and warns each time.
    login_data = None


class _Conversation(SMTP):
    def _create_session(self) -> Session:
        return _Session(self.loop)


class _Policy:
    def __init__(self, inbox: Inbox, *, mode: str) -> None:
        self._inbox = inbox
        self._mode = mode

    async def handle_MAIL(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, mail_options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 2.1.0 Sender accepted"

    async def handle_RCPT(  # noqa: N802 -- likewise
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if answer := _ANSWERS.get(address.rpartition("@")[2].lower()):
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 Recipient accepted"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- likewise
        transport = server.transport
        socket: ssl.SSLObject | None = None if transport is None else transport.get_extra_info("ssl_object")
        cipher = None if socket is None else socket.cipher()
        tls = None if socket is None else Tls(self._mode, socket.version() or "", cipher[0] if cipher else "")
        credentials = session.auth_data
        number = self._inbox.add(
            Arrival(
                receiver=Receiver.RELAY,
                received_at=datetime.now(UTC),
                envelope_sender=envelope.mail_from or "",
                recipients=tuple(envelope.rcpt_tos),
                content=envelope.original_content or b"",
                user=credentials.login.decode("utf-8", "replace") if isinstance(credentials, LoginPassword) else None,
                tls=tls,
                client_name=session.host_name,
            )
        )
        return f"250 2.0.0 Queued as {number}"
