"""An HTTP client for a running stack."""

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from local.state import Stack

type Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its JSON body; an empty body reads as an empty object."""

    status: int
    headers: Mapping[str, str]
    body: Json

    def text(self, *path: str | int) -> str:
        """Return the value at a path in the body as text; empty if it does not exist."""
        found = find(self.body, *path)
        return "" if found is None else str(found)


def find(value: object, *path: str | int) -> object:
    """Return the value at this path of keys and indexes; None if it does not exist."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def call(
    method: str,
    url: str,
    *,
    token: str | None = None,
    body: object | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = 40.0,
) -> Answer:
    """Make one request and read the whole answer."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout_seconds)
    all_headers = dict(headers or {})
    if token is not None:
        all_headers["Authorization"] = f"Bearer {token}"
    octets: bytes | None = None
    if body is not None:
        all_headers.setdefault("Content-Type", "application/json")
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, f"{place.path or '/'}{'?' if place.query else ''}{place.query}", octets, all_headers)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    answer_headers = {name.lower(): value for name, value in response.getheaders()}
    is_json = "json" in answer_headers.get("content-type", "")
    return Answer(response.status, answer_headers, json.loads(text) if text and is_json else {})


@dataclass(frozen=True, slots=True)
class Caller:
    """An API caller with a project's token."""

    stack: Stack
    project_id: str
    token: str

    def post(self, path: str, body: object | None = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """POST to a path below the project."""
        return call("POST", self._url(path), token=self.token, body=body, headers=headers)

    def get(self, path: str) -> Answer:
        """GET a path below the project."""
        return call("GET", self._url(path), token=self.token)

    def _url(self, path: str) -> str:
        return f"{self.stack.api_url}/v1/projects/{self.project_id}/{path}"


def read_inbox(stack: Stack) -> tuple[dict[str, int], list[Json]]:
    """Return the inbox's counts and messages."""
    body = call("GET", f"{stack.inbox_url}/messages.json").body
    counts, messages = body["counts"], body["messages"]
    if not isinstance(counts, dict) or not isinstance(messages, list):
        msg = "the inbox's answer has another form"
        raise TypeError(msg)
    return counts, messages
