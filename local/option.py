"""The options of the stack, read from environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DIRECTORY = ".local"

# The operator's settings. Only the embedded stack allows loopback addresses and all ports.
OPERATOR_DEFAULTS = {
    "ALLOW_PROJECT_SMTP": "true",
    "SERVER_FROM_ADDRESS": "Platform <no-reply@platform.example>",
    "SERVER_APPROVED_SENDERS": "support@platform.example",
    "APP_BASE_URL": "https://app.platform.example",
    "ALLOWED_RELAY_CIDRS": "127.0.0.0/8,::1/128",
    "ALLOWED_HTTPS_CIDRS": "127.0.0.0/8,::1/128",
    "ALLOWED_RELAY_PORTS": "1-65535",
    "JWT_ISSUER": "https://identity.platform.example",
    "JWT_AUDIENCE": "project-smtp",
    "EVENT_SOURCES": "identity",
}

_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class InvalidOption(ValueError):
    """An environment variable of the stack has an invalid value."""


@dataclass(frozen=True, slots=True)
class Options:
    """Ports (0 means a free port), bind address, state folder, speed of schedules, and the operator's settings.

    `clock_seconds` is the time in seconds that one minute of a schedule takes.
    """

    api_port: int
    aws_port: int
    inbox_port: int
    bind_address: str
    directory: Path
    clock_seconds: float
    operator: Mapping[str, str]


def read_options(environment: Mapping[str, str]) -> Options:
    """Read the stack's options; raises `InvalidOption`, which names the wrong variable."""
    return Options(
        api_port=_port(environment, "API_PORT", 3000),
        aws_port=_port(environment, "AWS_PORT", 4566),
        inbox_port=_port(environment, "INBOX_PORT", 0),
        bind_address=environment.get("BIND_ADDRESS", "127.0.0.1"),
        directory=state_directory(environment),
        clock_seconds=_seconds(environment, "CLOCK_SECONDS", 60.0),
        operator={**OPERATOR_DEFAULTS, **environment},
    )


def state_directory(environment: Mapping[str, str]) -> Path:
    """Return the folder of the stack's state: `LOCAL_DIR`, or `.local` in the repository."""
    return ROOT / environment.get("LOCAL_DIR", DEFAULT_DIRECTORY)


def variable_name(parameter: str) -> str:
    """Return the environment variable that sets a template parameter: `JwtIssuer` -> `JWT_ISSUER`."""
    return _WORD.sub("_", parameter).upper()


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        msg = f"{name} must be a port: a number from 0 (a free one) to 65535."
        raise InvalidOption(msg)
    return int(text)


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, str(default))
    if not _SECONDS.fullmatch(text) or float(text) <= 0:
        msg = f"{name} must be a number of seconds above 0, such as 60 or 0.5."
        raise InvalidOption(msg)
    return float(text)
