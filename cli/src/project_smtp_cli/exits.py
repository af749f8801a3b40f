"""How the program ends: its exit codes, and the errors that lead to them."""

from enum import IntEnum
from typing import Final

from project_smtp_cli.values import Document, text


class Exit(IntEnum):
    """Exit codes, as `docs/cli.md` lists them."""

    OK = 0
    NOT_WELL = 1
    USAGE = 2
    UNAVAILABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


# Problems that are nobody's request's fault: the configuration, the relay or the platform's transport is not well.
_NOT_WELL: Final = frozenset(
    (
        "project-smtp-invalid", "recipients-rejected", "message-rejected", "relay-auth-rejected", "relay-tls-failed",
        "relay-host-blocked", "server-transport-failed",
    )
)  # fmt: skip
_TOO_MANY_REQUESTS = 429
_INTERNAL_ERROR = 500


class CommandError(Exception):
    """Why a command ended early; `document` is what a program gets to read about it."""

    def __init__(self, detail: str, exit_code: Exit, document: Document | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.exit_code = exit_code
        self.document: Document = document if document is not None else {"detail": detail}


class UsageError(CommandError):
    """The command line, or a file that it names, cannot be used."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, Exit.USAGE)


class Unreachable(CommandError):
    """Nobody answered, or nobody who speaks this API."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, Exit.UNAVAILABLE)


class Refusal(CommandError):
    """The service answered with a problem."""

    def __init__(self, status: int, document: Document) -> None:
        self.status = status
        super().__init__(_detail(status, document), _exit_of(status, text(document, "code")), document)


def _exit_of(status: int, code: str) -> Exit:
    if code in _NOT_WELL:
        return Exit.NOT_WELL
    is_unavailable = status >= _INTERNAL_ERROR or status == _TOO_MANY_REQUESTS
    return Exit.UNAVAILABLE if is_unavailable else Exit.REFUSED


# The gateway's own answers are short.
_GATEWAY: Final = {
    401: "The service knows no such token: it is missing, has expired, or is another service's.",
    403: "The service does not take this token: it has expired, or is another service's.",
    413: "The request is too large for the service's gateway.",
}


def _detail(status: int, document: Document) -> str:
    return text(document, "detail") or _GATEWAY.get(status) or text(document, "message") or f"HTTP status {status}."
