"""The settings and the request's model, as the documentation of pydantic and pydantic-settings shows them."""

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """The operator's settings, from the environment."""

    allow_project_smtp: bool = True
    server_from_address: str = ""
    server_approved_senders: str = ""
    project_secret_prefix: str = "project-smtp/"
    event_bus_name: str = ""
    app_base_url: str = ""
    allowed_relay_cidrs: str = ""
    allowed_relay_ports: str = "25,465,587"
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_jwks: str = ""
    configuration_set_name: str | None = None
    log_level: str = "INFO"


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


SETTINGS = Settings()
