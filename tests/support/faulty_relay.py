"""A correct relay with faults at chosen phases.

It is the server side of RFC 5321 with PIPELINING, CHUNKING, SIZE, 8BITMIME, STARTTLS and AUTH, and records every
violation by the client. `Relay(faults={Phase.DOT: Fault.RST})` is one cell of the fault matrix.
"""

import base64
import binascii
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.content import STRICT, Receiver
from tests.support.fault import Fault, Intervention, Phase, intervene
from tests.support.hostile_relay import ConversationOver, Session

_OK = b"250 2.0.0 OK\r\n"
_BAD_SEQUENCE = b"503 5.5.1 Bad sequence of commands\r\n"
_SYNTAX = b"501 5.5.4 Syntax error\r\n"
_PATH = re.compile(rb"(?:MAIL FROM|RCPT TO):<([^<>\s]*)>(?: (.*))?\Z", re.IGNORECASE)
_BDAT = re.compile(rb"BDAT (0|[1-9][0-9]*)( LAST)?\Z", re.IGNORECASE)
_MAX_COMMAND = 512
_MAX_CONTENT_LINE = 998


class Tls(StrEnum):
    """When TLS begins."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The relay's behaviour, for a `HostileRelay`.

    `extensions` are EHLO lines besides STARTTLS and AUTH. If there are `credentials`, AUTH is offered, but only under
    TLS. `extensions_in_clear` replaces the lines of an EHLO before TLS. `answers` are replies to RCPT by
    address. The faults happen on each connection after `spared` successful transactions.
    """

    tls: Tls = Tls.NONE
    context: ssl.SSLContext | None = None
    extensions: tuple[bytes, ...] = (b"PIPELINING", b"SIZE 52428800", b"8BITMIME", b"ENHANCEDSTATUSCODES")
    extensions_in_clear: tuple[bytes, ...] | None = None
    mechanisms: tuple[bytes, ...] = (b"PLAIN", b"LOGIN")
    credentials: tuple[str, str] | None = None
    answers: Mapping[bytes, bytes] = field(default_factory=dict)
    maximum_recipients: int = 1000
    receiver: Receiver = STRICT
    faults: Mapping[Phase, Fault | Intervention] = field(default_factory=dict)
    spared: int = 0

    async def converse(self, session: Session) -> None:
        """Serve one connection."""
        await _Dialogue(self, session).run()


class _Dialogue:
    def __init__(self, relay: Relay, session: Session) -> None:
        self._relay = relay
        self._session = session
        self._greeted = False
        self._mail: bytes | None = None
        self._recipients: list[bytes] = []
        self._chunks = bytearray()
        self._completed = 0

    async def run(self) -> None:
        if self._relay.tls is Tls.IMPLICIT:
            await self._handshake()
        await self._answer(Phase.BANNER, b"220 relay.example.com ESMTP\r\n")
        while True:
            line = await self._session.read_line()
            self._inspect(line)
            await self._obey(line.rstrip(b"\r\n"))

    async def _obey(self, command: bytes) -> None:
        match command.split(b" ")[0].upper():
            case b"EHLO":
                await self._ehlo()
            case b"HELO":
                self._greeted = True
                await self._answer(Phase.EHLO1, b"250 relay.example.com\r\n")
            case b"STARTTLS":
                await self._starttls()
            case b"AUTH":
                await self._auth(command)
            case b"MAIL":
                await self._mail_from(command)
            case b"RCPT":
                await self._rcpt_to(command)
            case b"DATA":
                await self._data()
            case b"BDAT":
                await self._bdat(command)
            case b"RSET":
                self._forget()
                await self._answer(Phase.RSET, _OK)
            case b"NOOP":
                self._session.reply(_OK)
            case b"QUIT":
                await self._answer(Phase.QUIT, b"221 2.0.0 Bye\r\n")
                await self._session.flush()
                self._session.wire.close()
                raise ConversationOver
            case _:
                self._breach("unknown command")
                self._session.reply(b"500 5.5.2 Unknown command\r\n")

    async def _ehlo(self) -> None:
        self._expect_nothing_pending("octets after EHLO")
        self._forget()
        in_clear = not self._session.wire.is_tls
        lines = [b"relay.example.com"]
        if in_clear and self._relay.extensions_in_clear is not None:
            lines += self._relay.extensions_in_clear
        else:
            lines += self._relay.extensions
        if in_clear and self._relay.tls is Tls.STARTTLS:
            lines.append(b"STARTTLS")
        if self._relay.credentials is not None and not in_clear:
            lines.append(b"AUTH " + b" ".join(self._relay.mechanisms))
        reply = b"".join(b"250-" + line + b"\r\n" for line in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"
        under_starttls = self._relay.tls is Tls.STARTTLS and not in_clear
        self._greeted = await self._answer(Phase.EHLO2 if under_starttls else Phase.EHLO1, reply)

    async def _starttls(self) -> None:
        if self._relay.tls is not Tls.STARTTLS or self._session.wire.is_tls:
            self._breach("STARTTLS that was not offered")
            self._session.reply(b"502 5.5.1 Not here\r\n")
            return
        self._expect_nothing_pending("octets after STARTTLS in clear")
        if await self._answer(Phase.STARTTLS, b"220 2.0.0 Go ahead\r\n"):
            self._greeted = False
            await self._handshake()

    async def _handshake(self) -> None:
        if self._happens_in(Phase.TLS):
            await self._wait_for_octets()
            await self._answer(Phase.TLS, b"220 2.0.0 In clear\r\n")
            raise ConversationOver
        if self._relay.context is None:
            raise TypeError("a relay with TLS needs a context")
        await self._session.start_tls(self._relay.context)

    async def _auth(self, command: bytes) -> None:
        if not self._session.wire.is_tls:
            self._breach("AUTH in clear")
            self._session.reply(b"538 5.7.11 Encryption required\r\n")
            return
        if self._relay.credentials is None or not self._greeted:
            self._breach("AUTH that was not offered")
            self._session.reply(_BAD_SEQUENCE)
            return
        mechanism, *initial = command.split(b" ")[1:]
        if mechanism.upper() not in self._relay.mechanisms:
            self._breach("AUTH mechanism that was not offered")
        if self._happens_in(Phase.AUTH):
            if await self._answer(Phase.AUTH, b"235 2.7.0 Welcome\r\n"):
                self._session.record.authenticated_as = self._relay.credentials[0]
            return
        given = await self._credentials(mechanism.upper(), initial)
        if given == self._relay.credentials:
            self._session.record.authenticated_as = given[0]
            self._session.reply(b"235 2.7.0 Welcome\r\n")
        else:
            self._session.reply(b"535 5.7.8 Credentials invalid\r\n")

    async def _credentials(self, mechanism: bytes, initial: list[bytes]) -> tuple[str, str] | None:
        try:
            if mechanism == b"PLAIN":
                answer = initial[0] if initial else await self._challenge(b"")
                _, user, password = base64.b64decode(answer, validate=True).split(b"\0")
            elif mechanism == b"XOAUTH2":
                return await self._access_token(initial[0] if initial else await self._challenge(b""))
            elif mechanism == b"LOGIN":
                user = base64.b64decode(initial[0] if initial else await self._challenge(b"Username:"), validate=True)
                password = base64.b64decode(await self._challenge(b"Password:"), validate=True)
            else:
                await self._challenge(b"<1@relay.example.com>")
                return None
            return user.decode("utf-8"), password.decode("utf-8")
        except (binascii.Error, ValueError):
            self._breach("malformed AUTH exchange")
            return None

    async def _access_token(self, answer: bytes) -> tuple[str, str] | None:
        user, token, *rest = base64.b64decode(answer, validate=True).decode("utf-8").split("\1")
        given = (user.removeprefix("user="), token.removeprefix("auth=Bearer "))
        if rest != ["", ""]:
            self._breach("malformed AUTH exchange")
        if given != self._relay.credentials and await self._challenge(b'{"status":"401","schemes":"Bearer"}'):
            self._breach("an answer to the error of XOAUTH2 that is not empty")
        return given

    async def _challenge(self, text: bytes) -> bytes:
        self._session.reply(b"334 " + base64.b64encode(text) + b"\r\n")
        return (await self._session.read_line()).rstrip(b"\r\n")

    async def _mail_from(self, command: bytes) -> None:
        matched = _PATH.match(command)
        if matched is None:
            self._breach("malformed MAIL")
            self._session.reply(_SYNTAX)
        elif not self._greeted or self._mail is not None:
            self._session.reply(_BAD_SEQUENCE)
        elif self._relay.credentials is not None and self._session.record.authenticated_as is None:
            self._session.reply(b"530 5.7.0 Authentication required\r\n")
        elif (size := self._declared_size(matched[2] or b"")) > (limit := self._size_limit()):
            self._session.reply(b"552 5.3.4 Larger than %d by %d\r\n" % (limit, size - limit))
        elif await self._answer(Phase.MAIL, b"250 2.1.0 Sender OK\r\n"):
            self._mail = matched[1]

    async def _rcpt_to(self, command: bytes) -> None:
        matched = _PATH.match(command)
        if matched is None:
            self._breach("malformed RCPT")
            self._session.reply(_SYNTAX)
        elif self._mail is None:
            self._session.reply(_BAD_SEQUENCE)
        elif len(self._recipients) >= self._relay.maximum_recipients:
            self._session.reply(b"452 4.5.3 Too many recipients\r\n")
        elif (answer := self._relay.answers.get(matched[1].lower())) is not None:
            self._session.reply(answer)
            if answer.startswith(b"2"):
                self._recipients.append(matched[1])
        elif await self._answer(Phase.RCPT, b"250 2.1.5 Recipient OK\r\n"):
            self._recipients.append(matched[1])

    async def _data(self) -> None:
        self._expect_nothing_pending("octets after DATA")
        if not self._recipients:
            self._session.reply(_BAD_SEQUENCE)
            return
        if not await self._answer(Phase.DATA, b"354 Go ahead\r\n"):
            return
        await self._content_begins()
        wire = await self._session.read_content(self._relay.receiver)
        content = self._relay.receiver.unstuff(wire)
        self._inspect_content(wire, content)
        await self._end(wire, content)

    async def _bdat(self, command: bytes) -> None:
        matched = _BDAT.match(command)
        if matched is None or not self._offers(b"CHUNKING"):
            # Without a valid size, the octets of a chunk cannot be told from commands.
            self._breach("malformed or unasked BDAT")
            self._session.reply(_SYNTAX)
            await self._session.flush()
            self._session.wire.close()
            raise ConversationOver
        size = int(matched[1])
        if self._recipients and size:
            await self._content_begins()
        octets = await self._session.read_octets(size)
        if not self._recipients:
            self._session.reply(_BAD_SEQUENCE)
            return
        self._chunks += octets
        if matched[2] is None:
            self._session.reply(b"250 2.0.0 %d octets\r\n" % size)
            return
        content = bytes(self._chunks)
        self._inspect_content(content, content)
        await self._end(content, content)

    async def _content_begins(self) -> None:
        if self._happens_in(Phase.BODY):
            await self._wait_for_octets()
            await self._answer(Phase.BODY, b"250 2.0.0 Early\r\n")

    async def _wait_for_octets(self) -> None:
        while not self._session.wire.buffer:
            await self._session.fill()

    async def _end(self, wire: bytes, content: bytes) -> None:
        recipients = tuple(self._recipients)
        self._mail, self._recipients = None, []
        self._chunks.clear()
        if len(content) > self._size_limit():
            self._session.reply(b"552 5.3.4 Too large\r\n")
            return
        if self._intervention(Phase.DOT, _OK).takes_effect:
            self._session.keep(wire, content, recipients)
        await self._answer(Phase.DOT, _OK)
        self._completed += 1

    async def _answer(self, phase: Phase, reply: bytes) -> bool:
        """Reply, or perform the fault; return whether the command was carried out."""
        if not self._happens_in(phase):
            self._session.reply(reply)
            return True
        intervention = self._intervention(phase, reply)
        for step in intervention.steps:
            await self._session.perform(step)
        return intervention.takes_effect

    def _intervention(self, phase: Phase, reply: bytes) -> Intervention:
        if not self._happens_in(phase):
            return Intervention((), takes_effect=True)
        fault = self._relay.faults[phase]
        return fault if isinstance(fault, Intervention) else intervene(fault, phase, reply)

    def _happens_in(self, phase: Phase) -> bool:
        return phase in self._relay.faults and self._completed >= self._relay.spared

    def _forget(self) -> None:
        self._mail, self._recipients = None, []
        self._chunks.clear()

    def _offers(self, keyword: bytes) -> bool:
        return any(extension.split(b" ")[0] == keyword for extension in self._relay.extensions)

    def _size_limit(self) -> int:
        for extension in self._relay.extensions:
            if re.fullmatch(rb"SIZE [0-9]+", extension) and int(extension[5:]):
                return int(extension[5:])
        return 1 << 62

    def _declared_size(self, parameters: bytes) -> int:
        for parameter in parameters.split():
            keyword, _, value = parameter.partition(b"=")
            if not {b"SIZE": self._offers(b"SIZE"), b"BODY": self._offers(b"8BITMIME")}.get(keyword.upper(), False):
                self._breach(f"MAIL parameter {keyword.decode('ascii', 'replace')} that was not offered")
            if keyword.upper() == b"SIZE":
                return int(value)
        return 0

    def _expect_nothing_pending(self, what: str) -> None:
        if self._session.wire.buffer:
            self._breach(what)

    def _breach(self, what: str) -> None:
        self._session.record.violations.append(what)

    def _inspect(self, line: bytes) -> None:
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line or not line.isascii():
            self._breach("a command that is not one ASCII line ended by CRLF")
        if len(line) > _MAX_COMMAND:
            self._breach("a command longer than 512 octets")
        pipelined = self._session.wire.buffer and not line.upper().startswith((b"BDAT", b"QUIT"))
        if pipelined and not self._offers(b"PIPELINING"):
            self._breach("commands in a group without PIPELINING")

    def _inspect_content(self, wire: bytes, content: bytes) -> None:
        if self._relay.receiver is not STRICT:
            return
        if wire.count(b"\n") != wire.count(b"\r\n") or wire.count(b"\r") != wire.count(b"\r\n"):
            self._breach("content with a bare CR or LF")
        if any(len(line) > _MAX_CONTENT_LINE for line in content.split(b"\r\n")):
            self._breach("a content line longer than 998 octets")
        if not wire.isascii():
            self._breach("content with octets above 127")
