"""Warnings about settings that are valid but often mistakes."""

from collections.abc import Mapping
from typing import assert_never

from mailer.message.address import InvalidAddress, parse_address
from mailer.message.invisible import has_invisible
from mailer.relay.preset import SES_HOST, preset_of_host
from mailer.relay.relay import IMPLICIT_TLS_PORTS, NoAuth, OAuthAuth, PasswordAuth, Relay, TlsMode, TokenGrant
from mailer.relay.secret_str import SecretStr
from mailer.secret import names
from mailer.secret.configuration import SenderPolicy
from mailer.secret.entries import Entries
from mailer.secret.oauth import MICROSOFT_HOST

_STARTTLS_PORTS = frozenset((25, 587, 2525, 2587))
_SENDS_AS_ITS_ACCOUNT = frozenset(
    (
        "smtp.gmail.com", "smtp.office365.com", "smtp-mail.outlook.com", "smtp.mail.yahoo.com", "smtp.aol.com",
        "smtp.mail.me.com",
    )
)  # fmt: skip
_IAM_SECRET_KEY_LENGTH = 40
_MICROSOFT_SCOPE = "https://outlook.office365.com/.default"


def advise(entries: Entries, relay: Relay, senders: SenderPolicy) -> None:
    """Warn about settings that are valid but rarely work."""
    _advise_on_port(entries, relay)
    host = relay.host.lower()
    match relay.auth:
        case PasswordAuth(username, password):
            secrets: Mapping[str, SecretStr | None] = {names.PASSWORD: password}
            _advise_on_password(entries, host, username, password.reveal())
        case OAuthAuth(username, grant):
            secrets = {names.OAUTH_CLIENT_SECRET: grant.client_secret, names.OAUTH_REFRESH_TOKEN: grant.refresh_token}
            _advise_on_grant(entries, grant)
        case NoAuth():
            return
        case unreachable:
            assert_never(unreachable)
    given = {name: secret.reveal() for name, secret in secrets.items() if secret is not None}
    for name, value in {names.USERNAME: username, **given}.items():
        if value != value.strip():
            remedy = "The value begins or ends with a space, which is sent too. Remove the space if it is a mistake."
            entries.warn(name, "credential-space", remedy)
        if has_invisible(value):
            remedy = "The value has an invisible character, which is sent too. Type the value instead of pasting it."
            entries.warn(name, "credential-invisible", remedy)
    if host in _SENDS_AS_ITS_ACCOUNT:
        _advise_on_sender(entries, senders, username)


def _advise_on_port(entries: Entries, relay: Relay) -> None:
    if relay.port == 25:
        remedy = "AWS usually blocks port 25. Use 587 or 465 if the relay offers them."
        entries.warn(names.PORT, "port-25-blocked", remedy)
    is_implicit = relay.tls is TlsMode.IMPLICIT
    if relay.port in (_STARTTLS_PORTS if is_implicit else IMPLICIT_TLS_PORTS):
        usual = "STARTTLS" if is_implicit else "implicit TLS"
        remedy = f"Relays use {usual} on this port: remove {entries.words.of(names.SECURE)}."
        entries.warn(names.SECURE, "tls-unusual", remedy)


def _advise_on_password(entries: Entries, host: str, username: str, password: str) -> None:
    preset = preset_of_host(host)
    if preset is not None and preset.username not in (None, username):
        entries.warn(names.USERNAME, "username-unusual", f"Write {preset.username}: this relay accepts no other.")
    if SES_HOST.match(host) and len(password) == _IAM_SECRET_KEY_LENGTH:
        remedy = "This looks like an IAM secret access key. Give the SMTP password that the Amazon SES console creates."
        entries.warn(names.PASSWORD, "password-not-for-smtp", remedy)


def _advise_on_grant(entries: Entries, grant: TokenGrant) -> None:
    if grant.token_url.host != MICROSOFT_HOST:
        return
    if grant.refresh_token is not None:
        remedy = "Microsoft's refresh tokens expire. Remove this entry, so that the application logs in as itself."
        entries.warn(names.OAUTH_REFRESH_TOKEN, "refresh-token-expires", remedy)
    elif grant.scope != _MICROSOFT_SCOPE:
        remedy = f"Write {_MICROSOFT_SCOPE}: Microsoft 365 accepts tokens of no other scope."
        entries.warn(names.OAUTH_SCOPE, "scope-unusual", remedy)


def _advise_on_sender(entries: Entries, senders: SenderPolicy, username: str) -> None:
    try:
        account = parse_address(username)
    except InvalidAddress:
        entries.warn(names.USERNAME, "username-unusual", "Write the whole e-mail address: this relay requires it.")
        return
    if not account.matches(senders.default.address):
        remedy = (
            "This relay rewrites or refuses a From that is not the account's. Use the account's address, or let the "
            "account send as this one."
        )
        entries.warn(names.FROM_ADDRESS, "from-not-the-account", remedy)
