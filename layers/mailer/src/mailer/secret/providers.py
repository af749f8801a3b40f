"""The entry `emailProviders`: a list of providers, as JSON or as its text: the console makes every value a string.

Every enabled provider must be complete and right, or the project is invalid; a disabled one must only be what it seems
to be, so that somebody can fill it in later. Relays are read by the rules of the flat entries.
"""

import re
from collections.abc import Mapping, Sequence
from copy import replace
from typing import Final, assert_never

from mailer.message.address import InvalidAddress, parse_display_name, parse_domain
from mailer.problem import Problem
from mailer.relay.https_url import InvalidUrl, parse_https_url
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import (
    ENTRIES_PROVIDER,
    ApiAccount,
    MailgunAccount,
    Provider,
    ProviderConfig,
    ProviderKind,
    SendgridAccount,
    SesAccount,
    entries_provider,
)
from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr
from mailer.secret import names
from mailer.secret import provider_members as members
from mailer.secret.advice import advise
from mailer.secret.configuration import ProjectConfiguration
from mailer.secret.document import decode_within
from mailer.secret.entries import Entries
from mailer.secret.provider_members import CONFIG_MEMBERS, Form, Member
from mailer.secret.relay import read_ca_certificate, read_relay

MAX_PROVIDERS: Final = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z\Z")
_API_HOSTS: Final[Mapping[tuple[ProviderKind, str], str]] = {
    (ProviderKind.SENDGRID, "us"): "https://api.sendgrid.com",
    (ProviderKind.SENDGRID, "eu"): "https://api.eu.sendgrid.com",
    (ProviderKind.MAILGUN, "us"): "https://api.mailgun.net",
    (ProviderKind.MAILGUN, "eu"): "https://api.eu.mailgun.net",
}


def read_providers(entries: Entries, policy: RelayPolicy) -> tuple[Provider, ...] | None:
    """Return the enabled providers, or None after reporting every place at fault."""
    items = _items(entries)
    if items is None:
        return None
    if len(items) > MAX_PROVIDERS:
        entries.report(names.PROVIDERS, "providers-too-many", f"Keep at most {MAX_PROVIDERS} providers.")
        return None
    known: set[str] = set()
    providers = []
    for position, item in enumerate(items):
        provider, part = _read_item(item, known, policy)
        place = provider_place(item, position)
        for problem in part.problems:
            entries.report(_member_place(place, problem), problem.code, problem.detail)
        for warning in part.warnings:
            entries.warn(_member_place(place, warning), warning.code, warning.detail)
        if provider is not None and not part.problems:
            providers.append(provider)
    return tuple(providers)


def decode_providers(value: object) -> list[object] | Problem:
    """Return the items of the entry, given as a list or as its text; never raises."""
    if isinstance(value, str):
        if not value.strip():
            return _problem("entry-blank", "Give it a list of providers, or remove the entry.")
        value = decode_within(value, names.PROVIDERS)
        if isinstance(value, Problem):
            return value
    if not isinstance(value, list):
        return _problem("providers-not-a-list", 'Write a JSON list of providers, such as [{"id": "primary", ...}].')
    return value


def provider_place(item: object, position: int) -> str:
    """Return the place of a list's item: by its id, or by its position where it has none that can be named."""
    match item:
        case {"id": str(id)} if _ID.match(id.strip()):
            return members.place(id.strip())
        case _:
            return f"{names.PROVIDERS}[{position}]"


def read_config(kind: ProviderKind, config: object, policy: RelayPolicy) -> ProviderConfig | None:
    """Return the configuration that an enabled provider of this kind would have, None where it would be invalid."""
    part = Entries({})
    read = _read_item_config(config, kind, part, policy, is_enabled=True)
    return None if part.problems else read


def advise_on_providers(entries: Entries, configuration: ProjectConfiguration) -> None:
    """Warn of what real admins get wrong in relays that are valid, as of the flat entries."""
    for provider in configuration.chain:
        if isinstance(provider.config, Relay) and provider.id != ENTRIES_PROVIDER:
            flat = Entries({})
            advise(flat, replace(configuration, chain=(entries_provider(provider.config),)))
            for warning in flat.warnings:
                place = members.place_of_entry(provider.id, warning.entry)
                entries.warn(place, warning.code, members.in_members(warning.detail))


def _items(entries: Entries) -> list[object] | None:
    items = decode_providers(entries.value(names.PROVIDERS))
    if isinstance(items, Problem):
        entries.report(names.PROVIDERS, items.code, items.detail)
        return None
    return items


def _problem(code: str, detail: str) -> Problem:
    return Problem(code, detail, entry=names.PROVIDERS)


def _member_place(place: str, problem: Problem) -> str:
    return f"{place}.{problem.entry}" if problem.entry else place


def _read_item(item: object, known: set[str], policy: RelayPolicy) -> tuple[Provider | None, Entries]:
    """Read one item; its problems are in the entries that come back, by member."""
    if not isinstance(item, dict):
        part = Entries({})
        part.report("", "provider-not-an-object", "Write each provider as a JSON object with id, provider and config.")
        return None, part
    part = Entries({name: value for name, value in item.items() if name in members.ITEM_MEMBERS and name != "config"})
    for name in item:
        if name not in members.ITEM_MEMBERS:
            _report_unknown(part, name, members.ITEM_MEMBERS)
    id = _read_id(part, known)
    kind = part.choice("provider", ProviderKind) if part.require("provider", _which_kind()) else None
    name = part.optional_parsed("name", parse_display_name)
    # Whatever is no clear "disabled" is enabled: a mistake stops the mail and is not passed over.
    is_enabled = part.boolean("enabled") is not False
    priority = None
    if part.require("priority", "Say when it is asked: 1 for the first, 2 for the second, and so on."):
        priority = part.whole_number("priority", minimum=0, maximum=members.MAX_PRIORITY)
    for moment in ("createdAt", "updatedAt"):
        text = part.text(moment)
        if text is not None and not _TIME.match(text):
            part.report(moment, "time-malformed", "Write it as 2026-01-31T09:00:00Z, or remove it.")
    config = _read_item_config(item.get("config"), kind, part, policy, is_enabled=is_enabled)
    if config is None or id is None or priority is None or not is_enabled:
        return None, part
    return Provider(id, name or id, priority, config), part


def _read_id(part: Entries, known: set[str]) -> str | None:
    id = part.text("id") if part.require("id", "Give it an id of its own, such as primary.") else None
    if id is None:
        return None
    if not _ID.match(id):
        part.report("id", "provider-id-malformed", "Use 1 to 64 letters, digits, hyphens and underscores.")
        return None
    if id == ENTRIES_PROVIDER:
        part.report("id", "provider-id-reserved", "Use another id: smtp is the provider of the smtp... entries.")
        return None
    if id in known:
        part.report("id", "provider-id-duplicate", "Give each provider an id of its own.")
        return None
    known.add(id)
    return id


def _which_kind() -> str:
    return f"Say which provider it is: {', '.join(ProviderKind)}."


def _read_item_config(
    config: object, kind: ProviderKind | None, part: Entries, policy: RelayPolicy, *, is_enabled: bool
) -> ProviderConfig | None:
    if config is None and not is_enabled:
        return None
    if not isinstance(config, dict):
        part.report("config", "provider-config-missing", "Give the provider's configuration as a JSON object.")
        return None
    if kind is None:
        return None
    leaves = _known_leaves(kind, config, part)
    inner = Entries(leaves)
    _check_forms(kind, inner, policy, is_enabled=is_enabled)
    read = _read_meaning(kind, leaves, inner, policy) if is_enabled else None
    for problem in inner.problems:
        part.report(problem.entry or "config", problem.code, problem.detail)
    for warning in inner.warnings:
        part.warn(warning.entry or "config", warning.code, warning.detail)
    return read


def _known_leaves(kind: ProviderKind, config: Mapping[str, object], part: Entries) -> dict[str, object]:
    offered = tuple(member.name for member in CONFIG_MEMBERS[kind])
    leaves = {}
    for name in config:
        if "." in name:
            _report_unknown(part, name, offered)
    for name, value in members.flatten(config).items():
        if name in offered:
            leaves[name] = value
        elif any(other.startswith(f"{name}.") for other in offered):
            part.report(name, "provider-not-an-object", "Fill it in as a JSON object, or remove it.")
        else:
            _report_unknown(part, name, offered)
    return leaves


def _report_unknown(part: Entries, name: str, offered: Sequence[str]) -> None:
    remedy = f"There is no member of this name here. Remove or rename it; known are: {', '.join(offered)}."
    part.report(names.shown(name), "provider-member-unknown", remedy)


def _check_forms(kind: ProviderKind, part: Entries, policy: RelayPolicy, *, is_enabled: bool) -> None:
    """Report members of a wrong form and, of an enabled provider, those that are missing."""
    for member in CONFIG_MEMBERS[kind]:
        if part.is_given(member.name):
            _check_form(member, part, policy)
        elif is_enabled and (member.name in part or (member.is_required and _is_parent_given(member, part))):
            part.report(member.name, "entry-missing", f"Give it a value. {member.remedy}")


def _is_parent_given(member: Member, part: Entries) -> bool:
    parent, separator, _ = member.name.partition(".")
    return not separator or any(name.startswith(f"{parent}.") for name in part.names)


def _check_form(member: Member, part: Entries, policy: RelayPolicy) -> None:
    text: str | None = None
    match member.form:
        case Form.TEXT:
            text = part.text(member.name)
        case Form.CREDENTIAL:
            text = part.credential(member.name)
        case Form.PEM:
            part.pem(member.name)
        case Form.BOOLEAN:
            if part.boolean(member.name) is False and member.name == members.REJECT_UNAUTHORIZED:
                remedy = "Remove it: certificates are always verified. For a private authority give its PEM in tls.ca."
                part.report(member.name, "certificate-unverified", remedy)
        case Form.PORT:
            part.integer(member.name)
        case Form.MILLISECONDS:
            _milliseconds(part, member.name, policy)
        case unreachable:
            assert_never(unreachable)
    if text is None:
        return
    if member.choices and text.lower() not in member.choices:
        part.report(member.name, "choice-unknown", f"Write one of: {', '.join(member.choices)}.")
    if member.pattern is not None and not re.fullmatch(member.pattern, text):
        part.report(member.name, "provider-value-malformed", f"Give {_lower_first(member.remedy)}")


def _milliseconds(part: Entries, name: str, policy: RelayPolicy) -> int | None:
    low, high = round(policy.minimum_timeout * 1000), round(policy.maximum_timeout * 1000)
    return part.whole_number(name, minimum=low, maximum=high, code="timeout-out-of-bounds")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _read_meaning(
    kind: ProviderKind, leaves: Mapping[str, object], part: Entries, policy: RelayPolicy
) -> ProviderConfig | None:
    """Return what members of the right forms mean; a member that was reported is not reported again."""
    match kind:
        case ProviderKind.SMTP:
            return _read_smtp(leaves, part, policy)
        case ProviderKind.SES:
            return _read_ses(part)
        case ProviderKind.SENDGRID:
            api_key, base_url, certificate = _read_http(kind, part, policy)
            return SendgridAccount(api_key, base_url, certificate)
        case ProviderKind.MAILGUN:
            api_key, base_url, certificate = _read_http(kind, part, policy)
            return MailgunAccount(api_key, _domain(part), base_url, certificate)
        case unreachable:
            assert_never(unreachable)


def _read_smtp(leaves: Mapping[str, object], part: Entries, policy: RelayPolicy) -> Relay | None:
    values = {members.ENTRY_OF_MEMBER[name]: leaf for name, leaf in leaves.items() if name in members.ENTRY_OF_MEMBER}
    for name in (names.CONNECTION_TIMEOUT, names.SOCKET_TIMEOUT):
        milliseconds = _milliseconds(part, members.member_of(name), policy)
        if milliseconds is not None:
            values[name] = milliseconds / 1000
    if not any(name.startswith("auth.") for name in leaves):
        values[names.AUTH] = "none"
    flat = Entries(values)
    relay = read_relay(flat, policy)
    reported = {problem.entry for problem in part.problems}
    for problem in flat.problems:
        member = members.member_of(problem.entry)
        if member not in reported:
            part.report(member, problem.code, members.in_members(problem.detail))
    for warning in flat.warnings:
        part.warn(members.member_of(warning.entry), warning.code, members.in_members(warning.detail))
    return relay


def _read_ses(part: Entries) -> ApiAccount:
    secret = SecretStr(part.credential("secretAccessKey") or "")
    return SesAccount(_text(part, "accessKeyId"), secret, _text(part, "region").lower())


def _text(part: Entries, name: str) -> str:
    return (part.text(name) or "") if part.is_given(name) else ""


def _read_http(kind: ProviderKind, part: Entries, policy: RelayPolicy) -> tuple[SecretStr, str, str | None]:
    api_key = SecretStr(part.credential("apiKey") or "")
    region = (_text(part, "region") or "us").lower()
    base_url = _API_HOSTS.get((kind, region), "")
    if part.is_given("baseUrl"):
        if part.is_given("region"):
            part.report("region", "region-conflict", "Remove the region or the base URL: each says where the API is.")
        base_url = _base_url(part, policy)
    return api_key, base_url, _certificate(part)


def _base_url(part: Entries, policy: RelayPolicy) -> str:
    text = _text(part, "baseUrl")
    if not text:
        return ""
    try:
        url = parse_https_url(text, policy)
    except InvalidUrl as invalid:
        part.report("baseUrl", invalid.code, invalid.detail)
        return ""
    if url.target != "/":
        part.report("baseUrl", "url-malformed", "Remove the path: write https://host only.")
    return f"https://{url.authority}"


def _certificate(part: Entries) -> str | None:
    text = part.pem("caCertificate")
    if not text:
        return None
    flat = Entries({names.CA_CERTIFICATE: text})
    certificate = read_ca_certificate(flat)
    for problem in flat.problems:
        part.report("caCertificate", problem.code, problem.detail)
    for warning in flat.warnings:
        part.warn("caCertificate", warning.code, warning.detail)
    return certificate


def _domain(part: Entries) -> str:
    text = _text(part, "domain")
    if not text:
        return ""
    try:
        return parse_domain(text).lower()
    except InvalidAddress as invalid:
        part.report("domain", invalid.code, "Write the sending domain, such as mg.example.com.")
        return ""
