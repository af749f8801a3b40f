"""URL, token and project: from options, the environment, or the embedded stack."""

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel

from project_smtp_cli.exits import UsageError

URL: Final = "PROJECT_SMTP_URL"
TOKEN: Final = "PROJECT_SMTP_TOKEN"  # noqa: S105 -- the variable's name
PROJECT: Final = "PROJECT_SMTP_PROJECT"
LOCAL_DIRECTORY: Final = "LOCAL_DIR"
_STATE: Final = "stack.json"
_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TOKEN_FORM: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}\Z")
_OPERATOR: Final = "operator"


class Stack(BaseModel):
    """The part of the embedded stack's `stack.json` that the command line needs."""

    api_url: str
    aws_endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    project_secret_prefix: str | None = None
    tokens: dict[str, str] = {}


class _Claims(BaseModel):
    project_id: str


@dataclass(frozen=True, slots=True)
class Aws:
    """Access to AWS, with the ordinary credentials or those of the embedded stack."""

    stack_name: str
    secret_prefix: str
    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The base URL of the API, and the tokens."""

    url: str
    given_token: str | None
    stack_tokens: Mapping[str, str]

    def token(self, project_id: str | None) -> str:
        """Return the bearer token for a project; raises `UsageError`."""
        if self.given_token is not None:
            return self.given_token
        token = self.stack_tokens.get(project_id or _OPERATOR) or self.stack_tokens.get(_OPERATOR)
        if token is None:
            msg = f"No token: set {TOKEN}, or give a file with --token-file."
            raise UsageError(msg)
        return token


def find_service(url: str | None, token_file: str | None, environment: Mapping[str, str]) -> Service:
    """Return the service; raises `UsageError`. The embedded stack's tokens are sent to the embedded stack only."""
    stack = read_stack(environment)
    chosen = url or environment.get(URL) or (stack and stack.api_url)
    if not chosen:
        msg = f"No URL: give --url, set {URL}, or start the embedded stack with `make run`."
        raise UsageError(msg)
    chosen = _vetted(chosen)
    token = _read_token(token_file) if token_file is not None else environment.get(TOKEN)
    if token is not None and not _TOKEN_FORM.match(token):
        msg = "The token is not a bearer token. Copy it again, without quotes or spaces."
        raise UsageError(msg)
    is_stack = stack is not None and chosen == _vetted(stack.api_url)
    return Service(chosen, token, stack.tokens if stack is not None and is_stack else {})


def find_project(given: str | None, service: Service, environment: Mapping[str, str]) -> str:
    """Return the project from the option, the environment or the token; raises `UsageError`."""
    project_id = given or environment.get(PROJECT) or _project_of(service.given_token)
    if project_id is None:
        msg = f"No project: give --project, or set {PROJECT}."
        raise UsageError(msg)
    return vetted_project(project_id)


def vetted_project(project_id: str) -> str:
    """Return the project id; raises `UsageError` if it is malformed."""
    if not _PROJECT_ID.match(project_id):
        msg = "A project's id has 1 to 64 letters, digits, hyphens and underscores."
        raise UsageError(msg)
    return project_id


def find_aws(stack_name: str, secret_prefix: str, url: str | None, environment: Mapping[str, str]) -> Aws:
    """Return access to the AWS account of the service."""
    stack = read_stack(environment)
    chosen = url or environment.get(URL)
    if stack is None or (chosen is not None and _vetted(chosen) != _vetted(stack.api_url)):
        return Aws(stack_name, secret_prefix)
    return Aws(
        stack_name="embedded",
        secret_prefix=stack.project_secret_prefix or secret_prefix,
        endpoint_url=stack.aws_endpoint_url,
        region=stack.region,
        access_key_id=stack.access_key_id,
        secret_access_key=stack.secret_access_key,
    )


def read_stack(environment: Mapping[str, str]) -> Stack | None:
    """Return the embedded stack that runs from this folder; None if none runs."""
    path = Path(environment.get(LOCAL_DIRECTORY, ".local")) / _STATE
    try:
        return Stack.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError):
        msg = "The file of --token-file cannot be read."
        raise UsageError(msg) from None


def _vetted(url: str) -> str:
    """Return the base URL without a slash at the end; raises `UsageError`."""
    try:
        place = urlsplit(url)
        is_whole = place.hostname is not None and place.port != 0 and not (place.query or place.fragment or "@" in url)
    except ValueError:
        is_whole = False
    if not is_whole or not url.isascii() or not url.isprintable() or " " in url:
        msg = "Give the URL of the service as https://host, with its port and path if it has them."
        raise UsageError(msg)
    if place.scheme != "https" and not (place.scheme == "http" and _is_loopback(place.hostname or "")):
        msg = "Give an https URL: the token must not be sent in clear text."
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
    """Return the project from the token's claims. The token is not verified here."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = _Claims.model_validate_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims.project_id if claims.project_id != "*" else None
