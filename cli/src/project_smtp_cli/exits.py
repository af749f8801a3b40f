"""Exit codes, and the errors that cause them."""

from enum import IntEnum
from typing import Final

from project_smtp_cli.answers import Refused
from project_smtp_cli.values import Document


class Exit(IntEnum):
    """Exit codes, as `docs/cli.md` lists them."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


# Problems of the configuration, the relay or the platform's transport. The request itself was correct.
_CHECK_FAILED_CODES: Final = frozenset(
    (
        "project-smtp-invalid", "recipients-rejected", "message-rejected", "relay-auth-rejected", "relay-tls-failed",
        "relay-host-blocked", "server-transport-failed",
    )
)  # fmt: skip
_TOO_MANY_REQUESTS = 429
_INTERNAL_ERROR = 500


class CommandError(Exception):
    """The command must end; `document` is printed with `--json`."""

    def __init__(self, detail: str, exit_code: Exit, document: Document | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.exit_code = exit_code
        self.document: Document = document if document is not None else {"detail": detail}


class UsageError(CommandError):
    """The command line or one of its files cannot be used."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, Exit.USAGE)


class Unreachable(CommandError):
    """The server gave no answer, or an answer that is not from this API."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, Exit.UNAVAILABLE)


class Refusal(CommandError):
    """The service answered with a problem."""

    def __init__(self, status: int, document: Document) -> None:
        self.status = status
        self.refused = Refused.model_validate(document)
        super().__init__(_detail(status, self.refused), _exit_of(status, self.refused.code), document)


def _exit_of(status: int, code: str) -> Exit:
    if code in _CHECK_FAILED_CODES:
        return Exit.CHECK_FAILED
    is_unavailable = status >= _INTERNAL_ERROR or status == _TOO_MANY_REQUESTS
    return Exit.UNAVAILABLE if is_unavailable else Exit.REFUSED


# The gateway's own answers have no detail.
_GATEWAY: Final = {
    401: "The service refused the token: it is missing, has expired, or belongs to another service.",
    403: "The service refused the token: it has expired, or belongs to another service.",
    413: "The request is too large for the service's gateway.",
}


def _detail(status: int, refused: Refused) -> str:
    return refused.detail or _GATEWAY.get(status) or refused.message or f"HTTP status {status}."
