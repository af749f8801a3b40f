"""Access tokens for relays with OAuth 2.0, fetched from the project's token endpoint and cached until they expire.

The cache key is the project, the version of the secret and the grant. Concurrent messages share one fetch. A token is
used until one minute before its expiry. If the endpoint returns a new refresh token, this token is kept in memory only,
because only admins write secrets. A warning is logged.
"""

import asyncio
import logging
import re
from collections.abc import Hashable
from urllib.parse import urlencode

import msgspec

from mailer.adapters.net.dial import Dialer, Resolver, system_resolver
from mailer.adapters.net.elapsed import Clocks, Moment
from mailer.adapters.net.https_client import Answer, Call, HttpsClient, NoAnswer
from mailer.adapters.smtp.session import TokenFailed
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import TokenGrant
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Cause

_LOGGER = logging.getLogger(__name__)
_FETCH_SECONDS = 10.0
_MARGIN_SECONDS = 60.0
_UNSAID_SECONDS = 300.0
_LONGEST_SECONDS = 24 * 3600.0
_CAPACITY = 128
_MAX_TOKEN = 8 * 1024
_MAX_REFRESH_TOKEN = 16 * 1024
_TOKEN = re.compile(r"[\x21-\x7e]+\Z")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?\Z")
_REJECTIONS = {
    "invalid_client": Cause.OAUTH_CLIENT_REJECTED,
    "unauthorized_client": Cause.OAUTH_CLIENT_UNAUTHORIZED,
    "access_denied": Cause.OAUTH_CLIENT_UNAUTHORIZED,
    "invalid_grant": Cause.OAUTH_GRANT_REJECTED,
    "invalid_scope": Cause.OAUTH_SCOPE_REJECTED,
    "invalid_resource": Cause.OAUTH_SCOPE_REJECTED,
    "temporarily_unavailable": Cause.OAUTH_UNAVAILABLE,
    "server_error": Cause.OAUTH_UNAVAILABLE,
}


class _Granted(msgspec.Struct, frozen=True):
    """The token that an endpoint granted; `seconds` is the time for which it may be cached."""

    token: SecretStr
    seconds: float
    refresh_token: SecretStr | None


class _Slot(msgspec.Struct):
    """The cached state of one project's grant."""

    lock: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    granted: tuple[_Granted, Moment] | None = None
    refresh_token: SecretStr | None = None
    failures: int = 0
    failure: Cause | None = None


class OAuthTokens:
    """Fetches and caches access tokens, on one event loop.

    Endpoints are verified against the system's authorities, or only against `ca_certificate` if it is given. A relay's
    private authority is not used: it is valid for the relay's host only.
    """

    def __init__(
        self,
        *,
        policy: RelayPolicy,
        resolver: Resolver = system_resolver,
        ca_certificate: str | None = None,
        clocks: Clocks | None = None,
        fetch_seconds: float = _FETCH_SECONDS,
    ) -> None:
        dialer = Dialer(policy.for_https(), resolver)
        self._ca_certificate = ca_certificate
        self._clocks = clocks or Clocks()
        self._client = HttpsClient(dialer, clocks=self._clocks, answer_seconds=0.0, accepts_unframed=True)
        self._fetch_seconds = fetch_seconds
        self._slots: dict[tuple[Hashable, TokenGrant], _Slot] = {}

    async def token(
        self, grant: TokenGrant, *, owner: Hashable | None, deadline: float, refused: SecretStr | None = None
    ) -> SecretStr:
        """Return an access token; raises `TokenFailed`, at the latest at `deadline` (the loop's clock).

        An `owner` may get its cached token. If the cached token is `refused`, a new token is fetched. Without an owner
        the cache is bypassed.
        """
        slot = self._slot((owner, grant))
        failures = slot.failures
        try:
            async with asyncio.timeout_at(deadline), slot.lock:
                if slot.failures != failures and slot.failure is not None:
                    # This call waited for another fetch, which has just failed.
                    raise TokenFailed(slot.failure)
                if owner is not None and (kept := self._kept(slot)) is not None and kept != refused:
                    return kept
                return await self._fetch(slot, grant, deadline)
        except TimeoutError:
            raise TokenFailed(Cause.OAUTH_UNAVAILABLE) from None

    def _slot(self, key: tuple[Hashable, TokenGrant]) -> _Slot:
        slot = self._slots.pop(key, None) or _Slot()
        self._slots[key] = slot
        for old in list(self._slots)[: max(0, len(self._slots) - _CAPACITY)]:
            if not self._slots[old].lock.locked():
                del self._slots[old]
        return slot

    def _kept(self, slot: _Slot) -> SecretStr | None:
        if slot.granted is None:
            return None
        granted, fetched_at = slot.granted
        return granted.token if self._clocks.seconds_since(fetched_at) < granted.seconds else None

    async def _fetch(self, slot: _Slot, grant: TokenGrant, deadline: float) -> SecretStr:
        slot.granted, slot.failure = None, None
        try:
            granted = await self._ask(slot, grant, deadline)
        except TokenFailed as failed:
            slot.failures += 1
            slot.failure = failed.cause
            _LOGGER.warning("no access token", extra={"cause": failed.cause.value, "endpoint": grant.token_url.host})
            raise
        slot.granted = granted, self._clocks.now()
        self._note_exchange(slot, grant, granted.refresh_token)
        return granted.token

    async def _ask(self, slot: _Slot, grant: TokenGrant, deadline: float) -> _Granted:
        if slot.refresh_token is not None:
            try:
                return await self._exchange(grant, slot.refresh_token, deadline)
            except TokenFailed as failed:
                if failed.cause is not Cause.OAUTH_GRANT_REJECTED:
                    raise
                slot.refresh_token = None
        return await self._exchange(grant, grant.refresh_token, deadline)

    async def _exchange(self, grant: TokenGrant, refresh_token: SecretStr | None, deadline: float) -> _Granted:
        until = min(deadline, asyncio.get_running_loop().time() + self._fetch_seconds)
        call = _post(grant, refresh_token, self._ca_certificate)
        match await self._client.make(call, owner=None, deadline=until):
            case NoAnswer(failure):
                raise TokenFailed(_cause_without_answer(failure.cause))
            case Answer() as answer:
                return _read(answer)

    def _note_exchange(self, slot: _Slot, grant: TokenGrant, given: SecretStr | None) -> None:
        if grant.refresh_token is None or given is None or given in (grant.refresh_token, slot.refresh_token):
            return
        if slot.refresh_token is None:
            _LOGGER.warning(
                "the token endpoint exchanges refresh tokens, and the secret still has the old one",
                extra={"endpoint": grant.token_url.host},
            )
        slot.refresh_token = given


def _post(grant: TokenGrant, refresh_token: SecretStr | None, ca_certificate: str | None) -> Call:
    form = {
        "grant_type": "client_credentials" if refresh_token is None else "refresh_token",
        "refresh_token": None if refresh_token is None else refresh_token.reveal(),
        "client_id": grant.client_id,
        "client_secret": None if grant.client_secret is None else grant.client_secret.reveal(),
        "scope": grant.scope,
    }
    body = urlencode({name: value for name, value in form.items() if value is not None}).encode("ascii")
    # Each grant has its own connection.
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    url = grant.token_url
    pieces = (body,)
    return Call(
        "POST", f"https://{url.authority}", url.target, headers, lambda: iter(pieces), len(body), ca_certificate
    )


def _cause_without_answer(cause: Cause) -> Cause:
    """Map a cause that relays have too, such as a timeout, to the cause for a token endpoint."""
    match cause:
        case Cause.TIMEOUT | Cause.REFUSED | Cause.CONNECTION_LOST | Cause.TOO_LITTLE_TIME:
            return Cause.OAUTH_UNAVAILABLE
        case Cause.PROTOCOL_VIOLATION:
            return Cause.OAUTH_ANSWER_MALFORMED
        case _:
            return cause


def _read(answer: Answer) -> _Granted:
    if answer.status >= 500 or answer.status in (408, 429):
        raise TokenFailed(Cause.OAUTH_UNAVAILABLE)
    members = answer.members()
    if not 200 <= answer.status < 300:
        code = members.get("error")
        rejection = _REJECTIONS.get(code) if isinstance(code, str) else None
        if rejection is None and answer.status == 401:
            rejection = Cause.OAUTH_CLIENT_REJECTED
        raise TokenFailed(rejection or Cause.OAUTH_REQUEST_REJECTED)
    token, kind, refresh_token = (members.get(name) for name in ("access_token", "token_type", "refresh_token"))
    if not _is_token(token, _MAX_TOKEN) or not (isinstance(kind, str) and kind.lower() == "bearer"):
        raise TokenFailed(Cause.OAUTH_ANSWER_MALFORMED)
    return _Granted(
        SecretStr(str(token)),
        _seconds(members.get("expires_in", _UNSAID_SECONDS + _MARGIN_SECONDS)) - _MARGIN_SECONDS,
        SecretStr(str(refresh_token)) if _is_token(refresh_token, _MAX_REFRESH_TOKEN) else None,
    )


def _is_token(value: object, size: int) -> bool:
    return isinstance(value, str) and len(value) <= size and _TOKEN.match(value) is not None


def _seconds(value: object) -> float:
    """Return the token's lifetime; 0 if it is not readable, so that the token is used only once."""
    is_number = isinstance(value, int | float | str) and not isinstance(value, bool)
    return min(float(str(value)), _LONGEST_SECONDS) if is_number and _SECONDS.match(str(value)) else 0.0
