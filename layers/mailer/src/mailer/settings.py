"""The operator's settings, read once at the start. With an invalid value the function does not start.

Errors name the variable, but never show its value.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from mailer.input.link import is_link_allowed
from mailer.ledger.limits import Limit, parse_limits, parse_role_limits
from mailer.message.address import (
    FORBIDDEN,
    Address,
    Mailbox,
    is_host_name,
    parse_address,
    parse_mailbox,
)
from mailer.message.stage import PRODUCTION, Stage
from mailer.problem import InvalidText, Problem
from mailer.project import KnownProjects, ProjectId, parse_project_id
from mailer.relay.policy import DEFAULT_PORTS, Network, RelayPolicy, parse_network
from mailer.secret.configuration import SenderPolicy

DEFAULT_SECRET_PREFIX: Final = "project-smtp/"  # noqa: S105 -- the beginning of names
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_PORTS = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?\Z")
_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+)(?::[1-9][0-9]{0,4})?(?:/[\x21\x23-\x7e]*)?\Z")
_EVERY_PROJECT: Final = KnownProjects()
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1")
# The shortest prefixes allowed: a wider range would make the check of addresses useless.
_SHORTEST_PREFIX: Final = {4: 8, 6: 7}


class InvalidSettings(Exception):
    """The environment is invalid: `problems` names each variable and its remedy."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(" ".join(f"{problem.entry}: {problem.detail}" for problem in problems))
        self.problems = problems


class Settings(msgspec.Struct, frozen=True):
    """The operator's settings for the whole service.

    `ehlo_name` is the domain of the server's From address; the host name of the machine is never sent to relays.
    `jwt_jwks` is a JWK set as JSON, or its https URL. `project_limits` apply to each project, `role_limits` to each
    role of each project.
    """

    allow_project_smtp: bool
    server_senders: SenderPolicy
    project_secret_prefix: str
    event_bus_name: str
    app_base_url: str
    relay_policy: RelayPolicy
    jwt_issuer: str
    jwt_audience: str
    jwt_jwks: str
    configuration_set_name: str | None
    log_level: str
    ehlo_name: str
    project_limits: tuple[Limit, ...] = ()
    role_limits: Mapping[str, tuple[Limit, ...]] = msgspec.field(default_factory=dict)
    stage: Stage = PRODUCTION
    known_projects: KnownProjects = _EVERY_PROJECT


class Resources(msgspec.Struct, frozen=True):
    """The stack's resources that a function uses; a resource that it does not use is None."""

    ledger_table: str | None = None
    content_bucket: str | None = None
    delivery_queue_url: str | None = None
    secret_change_queue_url: str | None = None
    delivery_failure_queue_url: str | None = None
    system_email_failure_queue_url: str | None = None
    secret_change_failure_queue_url: str | None = None
    project_secret_key_arn: str | None = None
    platform_key_arn: str | None = None


class _Refused(InvalidText):
    def __init__(self, remedy: str) -> None:
        super().__init__("setting-malformed", remedy)


class _Variables:
    """The environment, and the problems found in it.

    For an invalid variable a substitute is returned. It is never used, because `parse_settings` raises at the end.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[Problem] = []

    def required[Value](self, name: str, parse: Callable[[str], Value], *, substitute: Value) -> Value:
        if not self._environment.get(name, "").strip():
            self.problems.append(Problem("setting-missing", "Give it a value.", entry=name))
            return substitute
        return self.optional(name, parse, default=substitute)

    def optional[Value](self, name: str, parse: Callable[[str], Value], *, default: Value) -> Value:
        text = self._environment.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except InvalidText as refused:
            self.problems.append(Problem("setting-malformed", refused.detail, entry=name))
            return default


def parse_settings(environment: Mapping[str, str]) -> Settings:
    """Parse the environment; an empty variable counts as absent. Raises `InvalidSettings` with all problems."""
    variables = _Variables(environment)
    substitute = Mailbox(Address("", ""))
    default_sender = variables.required("SERVER_FROM_ADDRESS", parse_mailbox, substitute=substitute)
    settings = Settings(
        allow_project_smtp=variables.required("ALLOW_PROJECT_SMTP", _boolean, substitute=False),
        server_senders=SenderPolicy(
            default_sender, variables.optional("SERVER_APPROVED_SENDERS", _addresses, default=())
        ),
        project_secret_prefix=variables.optional(
            "PROJECT_SECRET_PREFIX", _secret_prefix, default=DEFAULT_SECRET_PREFIX
        ),
        event_bus_name=variables.required("EVENT_BUS_NAME", _event_bus_name, substitute=""),
        app_base_url=variables.required("APP_BASE_URL", _app_base_url, substitute=""),
        relay_policy=RelayPolicy(
            ports=variables.optional("ALLOWED_RELAY_PORTS", _port_ranges, default=DEFAULT_PORTS),
            networks=variables.optional("ALLOWED_RELAY_CIDRS", _networks, default=()),
            https_networks=variables.optional("ALLOWED_HTTPS_CIDRS", _networks, default=()),
        ),
        jwt_issuer=variables.required("JWT_ISSUER", _claim, substitute=""),
        jwt_audience=variables.required("JWT_AUDIENCE", _claim, substitute=""),
        jwt_jwks=variables.required("JWT_JWKS", _jwks, substitute=""),
        configuration_set_name=variables.optional("CONFIGURATION_SET_NAME", _configuration_set, default=None),
        log_level=variables.optional("LOG_LEVEL", _log_level, default="INFO"),
        ehlo_name=default_sender.address.domain,
        project_limits=variables.optional("PROJECT_LIMITS", parse_limits, default=()),
        role_limits=variables.optional("ROLE_LIMITS", parse_role_limits, default={}),
        stage=Stage(
            diverts_to=variables.optional("DIVERT_ALL_TO", parse_address, default=None),
            suppresses=variables.optional("SUPPRESS_EMAILS", _boolean, default=False),
        ),
        known_projects=variables.optional("KNOWN_PROJECTS", _known_projects, default=_EVERY_PROJECT),
    )
    if settings.stage.diverts_to is not None and settings.stage.suppresses:
        remedy = "Set it to false, or leave DIVERT_ALL_TO empty: suppressed messages cannot be diverted."
        variables.problems.append(Problem("setting-conflict", remedy, entry="SUPPRESS_EMAILS"))
    if variables.problems:
        raise InvalidSettings(tuple(variables.problems))
    return settings


def parse_resources(environment: Mapping[str, str]) -> Resources:
    """Read the resources. Each variable has the field's name in capitals; an empty variable gives None."""
    named = {field: environment.get(field.upper(), "").strip() or None for field in Resources.__struct_fields__}
    return Resources(**named)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise _Refused("Write true or false.")
    return text.lower() == "true"


def _addresses(text: str) -> tuple[Address, ...]:
    return tuple(parse_address(item.strip()) for item in text.split(",") if item.strip())


def _claim(text: str) -> str:
    if FORBIDDEN.search(text) or " " in text:
        raise _Refused("Write it exactly as the tokens have it, without spaces.")
    return text


def _app_base_url(text: str) -> str:
    scheme, host = _url(text)
    if scheme != "https" and host not in _LOCAL_HOSTS:
        raise _Refused("Use https; http is allowed for localhost only.")
    if "?" in text or "#" in text:
        raise _Refused("Remove the query and the fragment.")
    if not is_link_allowed(text, text):
        # With such a URL every link, and so every system e-mail with a link, would be refused.
        raise _Refused("Write special characters in the path as %XX, and remove control characters.")
    return text


def _jwks(text: str) -> str:
    if not text.startswith("{"):
        if _url(text)[0] != "https":
            raise _Refused("Use an https URL, or the key set itself as JSON.")
        return text
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        raise _Refused("The key set is not JSON.") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise _Refused("Give a JWK set: an object with a non-empty list of keys.")
    if any("d" in key or "k" in key for key in keys):
        raise _Refused("Give public keys only. Replace the private or symmetric key everywhere.")
    return text


def _url(text: str) -> tuple[str, str]:
    matched = _URL.match(text)
    if matched is None or not (matched[2] in _LOCAL_HOSTS or is_host_name(matched[2])):
        raise _Refused("Write a whole URL, as in https://app.example.com, without user name or password.")
    return matched[1], matched[2]


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise _Refused(f"Use one of {', '.join(LOG_LEVELS)}.")
    return text.upper()


def _port_ranges(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(_port_range(item.strip()) for item in text.split(","))


def _port_range(text: str) -> tuple[int, int]:
    matched = _PORTS.match(text)
    first, last = (int(matched[1]), int(matched[2] or matched[1])) if matched else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise _Refused("Write ports and ranges separated by commas, as in 465,587,2500-2600.")
    return first, last


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(_network(item.strip()) for item in text.split(","))


def _network(text: str) -> Network:
    try:
        network = parse_network(text)
    except ValueError:
        raise _Refused("Write CIDR ranges without host bits, separated by commas, as in 10.20.0.0/16.") from None
    if network.prefixlen < _SHORTEST_PREFIX[network.version]:
        raise _Refused("Name single networks; a range this wide would make the check of addresses useless.")
    return network


def _known_projects(text: str) -> KnownProjects:
    ids: list[ProjectId] = []
    prefixes: list[str] = []
    for item in (each.strip() for each in text.split(",")):
        project_id = parse_project_id(item.removesuffix("*"))
        if project_id is None:
            raise _Refused(
                "Write ids of projects separated by commas. A * at the end of an id stands for any characters."
            )
        if item.endswith("*"):
            prefixes.append(project_id)
        else:
            ids.append(project_id)
    return KnownProjects(tuple(ids), tuple(prefixes))


def _matching(pattern: str, remedy: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise _Refused(remedy)
        return text

    return parse


_secret_prefix = _matching(r"[A-Za-z0-9/_+=.@-]{1,200}", "Use letters, digits and /_+=.@- only, as in project-smtp/.")
_event_bus_name = _matching(r"[/.A-Za-z0-9_-]{1,256}", "Use the bus's name: letters, digits and /._- only.")
_configuration_set = _matching(r"[A-Za-z0-9_-]{1,64}", "Use letters, digits, - and _ only.")
