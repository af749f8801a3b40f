"""A fake AWS endpoint on loopback: see `tests.support.http_service`."""

import json

from tests.support.http_service import Answer, Behaviour, Close, Hang, HttpService, Request, Reset

__all__ = ["Answer", "Behaviour", "Close", "FakeAws", "Hang", "Request", "Reset", "refusal", "success"]


def success(**members: object) -> Answer:
    """Return an answer of status 200 with these members."""
    return Answer(body=json.dumps(members).encode())


def refusal(code: str, message: str = "", *, status: int = 400) -> Answer:
    """Return an error in the format of the JSON protocols."""
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    return Answer(status=status, body=body, headers={"x-amzn-ErrorType": code})


class FakeAws(HttpService):
    """The endpoint; use it as a context manager."""

    @property
    def url(self) -> str:
        """The value for `AWS_ENDPOINT_URL`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def operations(self) -> list[str]:
        """The requested operations, in order."""
        return [request.operation for request in self.requests]
