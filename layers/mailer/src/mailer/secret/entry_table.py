"""Every entry of a project's secret: its name, its meaning, and how the service treats it.

The table defines the known names, the suggestions for misspelled names, the values that are shown, the secrets that an
edit keeps, the JSON Schema, and the table in docs/secret.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

import msgspec

from mailer.secret import names


class AuthMethod(StrEnum):
    """The values of `smtpAuth`."""

    PASSWORD = "password"  # noqa: S105 -- the method's name
    NONE = "none"
    OAUTH2 = "oauth2"


class Shown(StrEnum):
    """How an entry is shown to the project's admins."""

    ALWAYS = "always"
    # A URL typed here may hold a user name and a password.
    WITHOUT_AT_SIGN = "without-at-sign"
    NEVER = "never"


# The JSON type that an entry may have besides string; the AWS console makes every value a string.
type JsonType = Literal["boolean", "number", "array"]


class Entry(msgspec.Struct, frozen=True):
    """One entry of the secret.

    `meaning` and `required` are Markdown. `only_with` is the log-in that the entry belongs to. Admins sometimes paste
    the secrets in `may_hold` into this entry: the entry is hidden if it contains one of them. `also_called` are the
    names in other systems, in lower case without separators.
    """

    name: str
    meaning: str
    required: str = "no"
    json_type: JsonType | None = None
    shown: Shown = Shown.ALWAYS
    activates: bool = False
    is_sender: bool = False
    only_with: AuthMethod | None = None
    may_hold: tuple[str, ...] = ()
    also_called: tuple[str, ...] = ()


_OAUTH_SECRETS: Final = (names.OAUTH_CLIENT_SECRET, names.OAUTH_REFRESH_TOKEN)

ENTRIES: Final = (
    Entry(
        names.HOST, "The relay's fully qualified host name. It switches the project's relay on.",
        required="this or `smtpService`", shown=Shown.WITHOUT_AT_SIGN, activates=True, also_called=("smtpserver",),
    ),
    Entry(
        names.PORT, "1 to 65535 in plain digits. The operator must allow the port: by default 25, 465, 587, 2465, 2525 "
        "and 2587.",
        required="with `smtpHost`", json_type="number", shown=Shown.WITHOUT_AT_SIGN,
    ),
    Entry(
        names.USERNAME, "Sent exactly as typed, spaces included. With `oauth2` it is the mailbox's address.",
        required="yes, unless `smtpAuth` is `none`", may_hold=(names.PASSWORD, *_OAUTH_SECRETS),
        also_called=("smtpuser",),
    ),
    Entry(
        names.PASSWORD, "Sent exactly as typed, spaces included.",
        required="yes, unless `smtpAuth` is `none` or `oauth2`", shown=Shown.NEVER, only_with=AuthMethod.PASSWORD,
        also_called=("smtppass",),
    ),
    Entry(
        names.FROM_ADDRESS, "The From of messages without one: `a@b` or `Name <a@b>`.",
        required="yes", is_sender=True, also_called=("smtpfrom", "smtpfromemail", "smtpsender"),
    ),
    Entry(
        names.SERVICE, "A preset in place of host and port, see below. `smtpPort` and `smtpSecure` may differ from it; "
        "`smtpHost` may not.",
        shown=Shown.WITHOUT_AT_SIGN, activates=True,
    ),
    Entry(
        names.SECURE, "`true`: implicit TLS, from the first octet. `false`: STARTTLS. Default: `true` on ports 465 and "
        "2465.",
        json_type="boolean", also_called=("smtpencryption", "smtpssl", "smtptls"),
    ),
    Entry(
        names.REQUIRE_TLS, "Default `true`. `false` sends a message in clear text if the relay offers no STARTTLS. "
        "Credentials are never sent in clear text.",
        json_type="boolean",
    ),
    Entry(
        names.AUTH, "`password` (default), `oauth2` (AUTH XOAUTH2, see below) or `none` for a relay without a log-in.",
    ),
    Entry(
        names.APPROVED_SENDERS, "Other addresses that a message may use as From, separated by commas. No wildcards, no "
        "whole domains.",
        json_type="array", is_sender=True,
    ),
    Entry(
        names.FROM_POLICY, "What happens to a message with another From: `substitute` (default) sends it from "
        "`smtpFromAddress` and says so, `reject` refuses it.",
        is_sender=True,
    ),
    Entry(names.FROM_NAME, "The display name of a From without one.", is_sender=True),
    Entry(names.REPLY_TO, "The Reply-To of messages without one: `a@b` or `Name <a@b>`.", is_sender=True),
    Entry(
        names.RETURN_PATH, "The envelope sender, which bounces go to: one address. Default: the From address.",
        is_sender=True,
    ),
    Entry(
        # Some admins paste a certificate together with its private key.
        names.CA_CERTIFICATE, "PEM of the private CA that issued the relay's certificate. No other CA is then trusted "
        "for this relay.",
        shown=Shown.NEVER,
    ),
    Entry(
        names.DAILY_LIMIT, "The most recipients that the relay may get in a day (UTC), a whole number. Default: the "
        "preset's limit, which is 500 for `gmail` (`google`) and `yahoo`, 2,000 for `workspace` (`google-workspace`), "
        "10,000 for `office365` (`microsoft365`). Above it the answer is `429 limit-reached`, and queued messages wait "
        "for the next day.",
        json_type="number",
    ),
    Entry(
        names.CONNECTION_TIMEOUT, "Seconds to connect, 1 to 20, decimals allowed. Default: 10.",
        json_type="number",
    ),
    Entry(
        names.SOCKET_TIMEOUT, "Seconds to wait for each reply, 1 to 20, decimals allowed. Default: 20.",
        json_type="number",
    ),
    Entry(
        names.OAUTH_TOKEN_URL, "The URL of the token endpoint: `https://`, a public host, port 443 or one that the "
        "operator allows.",
        required="with `oauth2`", shown=Shown.WITHOUT_AT_SIGN, only_with=AuthMethod.OAUTH2, may_hold=_OAUTH_SECRETS,
    ),
    Entry(
        names.OAUTH_CLIENT_ID, "The id of the application that is registered with the provider.",
        required="with `oauth2`", shown=Shown.WITHOUT_AT_SIGN, only_with=AuthMethod.OAUTH2, may_hold=_OAUTH_SECRETS,
    ),
    Entry(
        names.OAUTH_CLIENT_SECRET, "The application's secret, exactly as typed. A public client has no secret, and "
        "needs a refresh token.",
        required="with `oauth2`", shown=Shown.NEVER, only_with=AuthMethod.OAUTH2,
    ),
    Entry(
        names.OAUTH_REFRESH_TOKEN, "With it, the application sends for the account that consented. Without it, the "
        "application logs in as itself (client credentials).",
        shown=Shown.NEVER, only_with=AuthMethod.OAUTH2,
    ),
    Entry(
        names.OAUTH_SCOPE, "The scopes, separated by spaces. Without a refresh token, Microsoft requires "
        "`https://outlook.office365.com/.default`.",
        shown=Shown.WITHOUT_AT_SIGN, only_with=AuthMethod.OAUTH2, may_hold=_OAUTH_SECRETS,
    ),
    Entry(
        # The providers hold credentials of their own.
        names.PROVIDERS, "Several providers, see [below](#several-providers). It switches the project's own transport "
        "on.",
        json_type="array", shown=Shown.NEVER, activates=True,
    ),
    Entry(
        names.ENABLED, "Default `true`. `false` switches the project's mail off: no transport sends, not even an "
        "override, and system e-mails are held. Not read if the operator has switched projects' relays off.",
        json_type="boolean",
    ),
)  # fmt: skip
ENTRY: Final[Mapping[str, Entry]] = {entry.name: entry for entry in ENTRIES}
KNOWN: Final = frozenset(ENTRY)
ACTIVATING: Final = tuple(entry.name for entry in ENTRIES if entry.activates)
SENDER: Final = frozenset(entry.name for entry in ENTRIES if entry.is_sender)
SECRETS: Final = tuple(entry.name for entry in ENTRIES if entry.shown is Shown.NEVER)
OAUTH: Final = tuple(entry.name for entry in ENTRIES if entry.only_with is AuthMethod.OAUTH2)


def entries_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the entries in an edit."""
    return {"type": "object", "properties": {entry.name: _schema(entry) for entry in ENTRIES}}


def _schema(entry: Entry) -> dict[str, object]:
    # `{"set": true}` keeps a stored value, null removes the entry.
    types = ["string", *([entry.json_type] if entry.json_type else []), "object", "null"]
    schema: dict[str, object] = {"description": entry.meaning, "type": types}
    return schema | ({"writeOnly": True} if entry.shown is Shown.NEVER else {})
