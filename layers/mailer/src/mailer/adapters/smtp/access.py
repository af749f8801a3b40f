"""The source of access tokens for sessions with OAuth 2.0."""

from collections.abc import Hashable
from typing import Protocol

from mailer.relay.relay import TokenGrant
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Cause


class TokenFailed(Exception):
    """There is no access token; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class TokenSource(Protocol):
    """Gives access tokens."""

    async def token(
        self, grant: TokenGrant, *, owner: Hashable | None, deadline: float, refused: SecretStr | None = None
    ) -> SecretStr:
        """Return an access token; raises `TokenFailed`, at the latest at `deadline` (the loop's clock).

        The same `owner` may get a cached token, unless it is the `refused` one: then a new token is fetched. Without
        an owner the cache is bypassed.
        """


class AccessToken:
    """An owner's access to the token of one grant, over several sessions; `shown` is the last token returned."""

    def __init__(self, source: TokenSource, grant: TokenGrant, *, owner: Hashable | None, deadline: float) -> None:
        self._source = source
        self._grant = grant
        self._owner = owner
        self._deadline = deadline
        self.shown: SecretStr | None = None

    async def get(self) -> SecretStr:
        """Return a token; a further call means that the relay refused the last one. Raises `TokenFailed`."""
        self.shown = await self._source.token(
            self._grant, owner=self._owner, deadline=self._deadline, refused=self.shown
        )
        return self.shown
