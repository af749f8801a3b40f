"""A settings model of some twenty entries, as pydantic's documentation shows it."""

from pydantic import BaseModel, Field, SecretStr


class RelayEntries(BaseModel, frozen=True, extra="forbid"):
    """The secret's entries."""

    host: str
    port: int = Field(ge=1, le=65535)
    username: str
    password: SecretStr
    from_address: str
    secure: bool | None = None
    approved_senders: list[str] = Field(default_factory=list)
    from_name: str | None = None
    reply_to: str | None = None
    return_path: str | None = None
    from_policy: str = "substitute"
    require_tls: bool = True
    auth: str = "password"
    service: str | None = None
    ca_certificate: str | None = None
    connection_timeout: float = 10.0
    socket_timeout: float = 20.0


class EmailRequest(BaseModel, frozen=True, extra="forbid"):
    """The request's body."""

    to: list[str]
    subject: str
    text: str | None = None
    html: str | None = None


RELAY = RelayEntries(
    host="relay.example", port=465, username="user", password=SecretStr("x"), from_address="a@example.com"
)
REQUEST = EmailRequest(to=["b@example.com"], subject="Hello")
