"""What a session that logs in with OAuth 2.0 asks for access tokens."""

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

        Whoever is the same `owner` may be given the same token again, unless it was `refused`: then the endpoint is
        asked once more. None is nobody, and never given what is kept.
        """


class AccessToken:
    """One owner's way to the token of one grant, for as many sessions as it takes; `shown` is the last one given."""

    def __init__(self, source: TokenSource, grant: TokenGrant, *, owner: Hashable | None, deadline: float) -> None:
        self._source = source
        self._grant = grant
        self._owner = owner
        self._deadline = deadline
        self.shown: SecretStr | None = None

    async def get(self) -> SecretStr:
        """Return a token; every further one was asked for after the last was refused. Raises `TokenFailed`."""
        self.shown = await self._source.token(
            self._grant, owner=self._owner, deadline=self._deadline, refused=self.shown
        )
        return self.shown
