"""Where the service is, who asks, and about which project: from options, the environment, or a stack that runs here."""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from project_smtp_cli.exits import UsageError
from project_smtp_cli.values import find

URL: Final = "PROJECT_SMTP_URL"
TOKEN: Final = "PROJECT_SMTP_TOKEN"  # noqa: S105 -- the variable's name
PROJECT: Final = "PROJECT_SMTP_PROJECT"
LOCAL_DIRECTORY: Final = "LOCAL_DIR"
_STATE: Final = "stack.json"
_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TOKEN_FORM: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}\Z")
_OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Aws:
    """How AWS itself is asked: the ordinary credentials, or those of the embedded stack."""

    stack_name: str
    secret_prefix: str
    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The API's base URL, and how to find the token for a project."""

    url: str
    given_token: str | None
    stack_tokens: Mapping[str, str]

    def token(self, project_id: str | None) -> str:
        """Return the bearer token to ask about this project with."""
        if self.given_token is not None:
            return self.given_token
        token = self.stack_tokens.get(project_id or _OPERATOR) or self.stack_tokens.get(_OPERATOR)
        if token is None:
            msg = f"No token: set {TOKEN}, or name a file by --token-file."
            raise UsageError(msg)
        return token


def find_service(url: str | None, token_file: str | None, environment: Mapping[str, str]) -> Service:
    """Return the service that was meant; raises `UsageError`.

    A token that was given for one place goes to no other: the embedded stack's tokens go to the embedded stack alone.
    """
    stack = read_stack(environment)
    stack_url = _member(stack, "api_url")
    chosen = url or environment.get(URL) or stack_url
    if not chosen:
        msg = f"Where is the service? Give --url, set {URL}, or start the embedded stack with `make run`."
        raise UsageError(msg)
    chosen = _vetted(chosen)
    token = _read_token(token_file) if token_file is not None else environment.get(TOKEN)
    if token is not None and not _TOKEN_FORM.match(token):
        msg = "The token has characters that no bearer token has."
        raise UsageError(msg)
    is_stack = stack_url is not None and chosen == _vetted(stack_url)
    return Service(chosen, token, _tokens(stack) if is_stack else {})


def find_project(given: str | None, service: Service, environment: Mapping[str, str]) -> str:
    """Return the project that was meant: the option's, the variable's, or the one that the token is for."""
    project_id = given or environment.get(PROJECT) or _project_of(service.given_token)
    if project_id is None:
        msg = f"Which project? Give --project, or set {PROJECT}."
        raise UsageError(msg)
    return vetted_project(project_id)


def vetted_project(project_id: str) -> str:
    """Return the id, once it is one; raises `UsageError`."""
    if not _PROJECT_ID.match(project_id):
        msg = "A project's id has 1 to 64 letters, digits, hyphens and underscores."
        raise UsageError(msg)
    return project_id


def find_aws(stack_name: str, secret_prefix: str, url: str | None, environment: Mapping[str, str]) -> Aws:
    """Return the AWS that belongs to the service that was meant."""
    stack = read_stack(environment)
    chosen = url or environment.get(URL)
    stack_url = _member(stack, "api_url")
    if stack_url is None or (chosen is not None and _vetted(chosen) != _vetted(stack_url)):
        return Aws(stack_name, secret_prefix)
    return Aws(
        stack_name="embedded",
        secret_prefix=_member(stack, "project_secret_prefix") or secret_prefix,
        endpoint_url=_member(stack, "aws_endpoint_url"),
        region=_member(stack, "region"),
        access_key_id=_member(stack, "access_key_id"),
        secret_access_key=_member(stack, "secret_access_key"),
    )


def read_stack(environment: Mapping[str, str]) -> object:
    """Return what a stack that runs from this folder says of itself; None where none does."""
    path = Path(environment.get(LOCAL_DIRECTORY, ".local")) / _STATE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _member(stack: object, name: str) -> str | None:
    value = find(stack, name)
    return value if isinstance(value, str) else None


def _tokens(stack: object) -> Mapping[str, str]:
    tokens = find(stack, "tokens")
    if not isinstance(tokens, Mapping):
        return {}
    return {name: token for name, token in tokens.items() if isinstance(name, str) and isinstance(token, str)}


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError):
        msg = "The token's file cannot be read."
        raise UsageError(msg) from None


def _vetted(url: str) -> str:
    """Return the base URL without a last slash; a token crosses no network in clear."""
    try:
        place = urlsplit(url)
        is_whole = place.hostname is not None and place.port != 0 and not (place.query or place.fragment or "@" in url)
    except ValueError:
        is_whole = False
    if not is_whole or not url.isascii() or not url.isprintable() or " " in url:
        msg = "The service's URL is written https://host, with a port or a path where it has one."
        raise UsageError(msg)
    if place.scheme != "https" and not (place.scheme == "http" and _is_loopback(place.hostname or "")):
        msg = "The service is spoken to over https: a token is worth as much as the passwords behind it."
        raise UsageError(msg)
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _project_of(token: str | None) -> str | None:
    """Return the project that the token says it is for; whether that is true is the service's to judge."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims: object = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    project_id = find(claims, "project_id")
    return project_id if isinstance(project_id, str) and project_id != "*" else None
