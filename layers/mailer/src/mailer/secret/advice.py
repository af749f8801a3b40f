"""Warnings about settings that are valid but often mistakes."""

from collections.abc import Mapping
from typing import assert_never

from mailer.message.address import InvalidAddress, parse_address
from mailer.relay.preset import SES_HOST, preset_of_host
from mailer.relay.relay import IMPLICIT_TLS_PORTS, NoAuth, OAuthAuth, PasswordAuth, Relay, TlsMode, TokenGrant
from mailer.secret.configuration import SenderPolicy
from mailer.secret.entries import Entries
from mailer.secret.entry_table import (
    FROM_ADDRESS,
    OAUTH_CLIENT_SECRET,
    OAUTH_REFRESH_TOKEN,
    OAUTH_SCOPE,
    PASSWORD,
    PORT,
    SECURE,
    USERNAME,
)
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
    """Warn about settings of a valid relay that seldom work."""
    _advise_on_port(entries, relay)
    match relay.auth:
        case PasswordAuth():
            _advise_on_credentials(entries, relay.host.lower(), relay.auth)
            _advise_on_sender(entries, senders, relay.host.lower(), relay.auth.username)
        case OAuthAuth(username, grant):
            _advise_on_grant(entries, username, grant)
            _advise_on_sender(entries, senders, relay.host.lower(), username)
        case NoAuth():
            pass
        case unreachable:
            assert_never(unreachable)


def _advise_on_port(entries: Entries, relay: Relay) -> None:
    if relay.port == 25:
        entries.warn(
            PORT,
            "port-25-blocked",
            "AWS usually blocks port 25. Use 587 or 465 if the relay offers them.",
        )
    if relay.tls is not TlsMode.IMPLICIT and relay.port in IMPLICIT_TLS_PORTS:
        entries.warn(SECURE, "tls-unusual", f"Relays use implicit TLS on this port: remove {entries.words.of(SECURE)}.")
    if relay.tls is TlsMode.IMPLICIT and relay.port in _STARTTLS_PORTS:
        entries.warn(SECURE, "tls-unusual", f"Relays use STARTTLS on this port: remove {entries.words.of(SECURE)}.")


def _advise_on_credentials(entries: Entries, host: str, auth: PasswordAuth) -> None:
    password = auth.password.reveal()
    _advise_on_spaces(entries, {USERNAME: auth.username, PASSWORD: password})
    preset = preset_of_host(host)
    if preset is not None and preset.username not in (None, auth.username):
        entries.warn(USERNAME, "username-unusual", f"This service accepts only the user name {preset.username}.")
    if SES_HOST.match(host) and len(password) == _IAM_SECRET_KEY_LENGTH:
        entries.warn(
            PASSWORD,
            "password-not-for-smtp",
            "It looks like an IAM secret access key. Give the SMTP password that the Amazon SES console creates.",
        )


def _advise_on_grant(entries: Entries, username: str, grant: TokenGrant) -> None:
    secrets = {OAUTH_CLIENT_SECRET: grant.client_secret, OAUTH_REFRESH_TOKEN: grant.refresh_token}
    given = {name: secret.reveal() for name, secret in secrets.items() if secret is not None}
    _advise_on_spaces(entries, {USERNAME: username, **given})
    if grant.token_url.host != MICROSOFT_HOST:
        return
    if grant.refresh_token is not None:
        entries.warn(
            OAUTH_REFRESH_TOKEN,
            "refresh-token-expires",
            "Microsoft's refresh tokens expire. Remove it: the application then logs in as itself.",
        )
    elif grant.scope != _MICROSOFT_SCOPE:
        entries.warn(
            OAUTH_SCOPE,
            "scope-unusual",
            f"Microsoft 365 accepts only tokens of the scope {_MICROSOFT_SCOPE}.",
        )


def _advise_on_spaces(entries: Entries, credentials: Mapping[str, str]) -> None:
    for name, value in credentials.items():
        if value != value.strip():
            entries.warn(
                name,
                "credential-space",
                "It begins or ends with a space, which is sent too. Remove the space if it is a mistake.",
            )


def _advise_on_sender(entries: Entries, senders: SenderPolicy, host: str, username: str) -> None:
    if host not in _SENDS_AS_ITS_ACCOUNT:
        return
    try:
        account = parse_address(username)
    except InvalidAddress:
        entries.warn(USERNAME, "username-unusual", "This service requires the whole e-mail address as user name.")
        return
    if not account.matches(senders.default.address):
        entries.warn(
            FROM_ADDRESS,
            "from-not-the-account",
            "This service rewrites or refuses a From that is not its account's. Use the account's address, or let the "
            "account send as this one.",
        )
