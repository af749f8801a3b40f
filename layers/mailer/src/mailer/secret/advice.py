"""What is allowed in a project's configuration and yet seldom meant: warnings for its admin."""

from collections.abc import Mapping
from typing import assert_never

from mailer.message.address import InvalidAddress, parse_address
from mailer.relay.preset import SES_HOST, preset_of_host
from mailer.relay.relay import IMPLICIT_TLS_PORTS, NoAuth, OAuthAuth, PasswordAuth, Relay, TlsMode, TokenGrant
from mailer.secret import names
from mailer.secret.configuration import ProjectConfiguration
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


def advise(entries: Entries, configuration: ProjectConfiguration) -> None:
    """Warn of what real admins get wrong in entries that are valid one by one."""
    relay = configuration.relay
    if relay is None:
        return
    _advise_on_port(entries, relay)
    match relay.auth:
        case PasswordAuth():
            _advise_on_credentials(entries, relay.host.lower(), relay.auth)
            _advise_on_sender(entries, configuration, relay.host.lower(), relay.auth.username)
        case OAuthAuth(username, grant):
            _advise_on_grant(entries, username, grant)
            _advise_on_sender(entries, configuration, relay.host.lower(), username)
        case NoAuth():
            pass
        case unreachable:
            assert_never(unreachable)


def _advise_on_port(entries: Entries, relay: Relay) -> None:
    if relay.port == 25:
        entries.warn(
            names.PORT,
            "port-25-blocked",
            "Port 25 is usually blocked for functions in the cloud; use 587 or 465 if the relay offers them.",
        )
    if relay.tls is not TlsMode.IMPLICIT and relay.port in IMPLICIT_TLS_PORTS:
        entries.warn(
            names.SECURE, "tls-unusual", "Relays speak TLS from the first octet on this port: remove smtpSecure."
        )
    if relay.tls is TlsMode.IMPLICIT and relay.port in _STARTTLS_PORTS:
        entries.warn(
            names.SECURE, "tls-unusual", "Relays begin in clear and use STARTTLS on this port: remove smtpSecure."
        )


def _advise_on_credentials(entries: Entries, host: str, auth: PasswordAuth) -> None:
    password = auth.password.reveal()
    _advise_on_spaces(entries, {names.USERNAME: auth.username, names.PASSWORD: password})
    preset = preset_of_host(host)
    if preset is not None and preset.username not in (None, auth.username):
        entries.warn(names.USERNAME, "username-unusual", f"This service takes only the user name {preset.username}.")
    if SES_HOST.match(host) and len(password) == _IAM_SECRET_KEY_LENGTH:
        entries.warn(
            names.PASSWORD,
            "password-not-for-smtp",
            "It looks like an IAM secret access key; Amazon SES wants the SMTP password that its console creates.",
        )


def _advise_on_grant(entries: Entries, username: str, grant: TokenGrant) -> None:
    secrets = {names.OAUTH_CLIENT_SECRET: grant.client_secret, names.OAUTH_REFRESH_TOKEN: grant.refresh_token}
    given = {name: secret.reveal() for name, secret in secrets.items() if secret is not None}
    _advise_on_spaces(entries, {names.USERNAME: username, **given})
    if grant.token_url.host != MICROSOFT_HOST:
        return
    if grant.refresh_token is not None:
        entries.warn(
            names.OAUTH_REFRESH_TOKEN,
            "refresh-token-expires",
            "Microsoft lets refresh tokens expire, and nobody renews this one; without it the application logs in as "
            "itself.",
        )
    elif grant.scope != _MICROSOFT_SCOPE:
        entries.warn(
            names.OAUTH_SCOPE,
            "scope-unusual",
            f"Microsoft 365 takes mail with tokens of the scope {_MICROSOFT_SCOPE} alone.",
        )


def _advise_on_spaces(entries: Entries, credentials: Mapping[str, str]) -> None:
    for name, value in credentials.items():
        if value != value.strip():
            entries.warn(
                name, "credential-space", "It begins or ends with a space, which is sent as it is. Was it pasted along?"
            )


def _advise_on_sender(entries: Entries, configuration: ProjectConfiguration, host: str, username: str) -> None:
    if host not in _SENDS_AS_ITS_ACCOUNT:
        return
    try:
        account = parse_address(username)
    except InvalidAddress:
        entries.warn(names.USERNAME, "username-unusual", "This service takes the whole e-mail address as user name.")
        return
    if not account.matches(configuration.senders.default.address):
        entries.warn(
            names.FROM_ADDRESS,
            "from-not-the-account",
            "This service sends only as its own account: it rewrites or refuses another From unless the account may "
            "send as that address.",
        )
