"""Requests to the API. Redirects are not followed and requests are not repeated."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import quote, urlencode

from project_smtp_cli.access import Service
from project_smtp_cli.exits import Refusal, Unreachable
from project_smtp_cli.values import Document

_TIMEOUT_SECONDS: Final = 40.0
_MAX_ANSWER: Final = 16 * 1024 * 1024
_FIRST_ERROR: Final = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: int
    document: Document
    is_replayed: bool = False


class Api:
    """The API of one project or, without a project, of the platform's own e-mails."""

    def __init__(self, service: Service, project_id: str | None, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        self.project_id = project_id or ""
        self._base = f"{service.url}/v1/platform"
        if project_id is not None:
            self._base = f"{service.url}/v1/projects/{quote(project_id, safe='')}"
        self._token = service.token(project_id)
        self._timeout = timeout_seconds
        # A redirect would send the token to another host.
        self._opener = urllib.request.build_opener(_NoRedirect())

    def get(self, path: str, **query: str | int | None) -> Answer:
        """GET a path of the project."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}" if given else path, None, {})

    def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """POST a value as JSON, octets that already are JSON, or an empty body."""
        return self._ask("POST", path, _octets(body), headers or {})

    def put(self, path: str, body: object) -> Answer:
        """PUT JSON."""
        return self._ask("PUT", path, _octets(body), {})

    def _ask(self, method: str, path: str, octets: bytes | None, headers: Mapping[str, str]) -> Answer:
        fields = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **headers}
        if octets is not None:
            fields["Content-Type"] = "application/json"
        elif method == "POST":
            octets = b""
        # `find_service` has checked the scheme.
        request = urllib.request.Request(f"{self._base}/{path}", octets, fields, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                document = _document(response.read(_MAX_ANSWER), response.status)
                is_replayed = response.headers.get("Idempotent-Replayed") == "true"
                return Answer(response.status, document, is_replayed)
        except urllib.error.HTTPError as error:
            with error:
                if error.code < _FIRST_ERROR:
                    msg = "The service answered with a redirect, which is not followed. Give its target as the URL."
                    raise Unreachable(msg) from None
                raise Refusal(error.code, _error_document(error)) from None
        except urllib.error.URLError as error:
            raise Unreachable(_why(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(_why(error)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def _octets(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False).encode()


def _document(octets: bytes, status: int) -> Document:
    try:
        value = json.loads(octets) if octets else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        msg = f"The server (HTTP status {status}) is not Project SMTP. Check the URL."
        raise Unreachable(msg)
    return value


def _error_document(error: urllib.error.HTTPError) -> Document:
    try:
        value = json.loads(error.read(_MAX_ANSWER))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"status": error.code}


def _why(reason: object) -> str:
    match reason:
        case ssl.SSLCertVerificationError():
            return f"The service's certificate is not valid: {reason.verify_message}."
        case TimeoutError():
            return "The service did not answer in time."
        case ConnectionRefusedError():
            return "The service is not reachable: the connection was refused."
        case OSError(strerror=str(words)):
            return f"The service is not reachable: {words}."
        case _:
            return "The service is not reachable: the connection broke."
