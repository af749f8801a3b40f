"""Provider kind `smtp`: a relay in the list, read by the rules for the secret's own relay."""

from typing import Final

from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ProviderKind
from mailer.relay.relay import Relay
from mailer.secret import names
from mailer.secret.entries import Entries, Words
from mailer.secret.provider.kind import (
    BOOLEAN,
    CREDENTIAL,
    MILLISECONDS,
    PEM,
    PORT,
    TEXT,
    TRUE,
    Kind,
    Member,
    read_milliseconds,
)
from mailer.secret.relay import read_relay

# For each entry of the secret: the member of the configuration with the same meaning.
MEMBER_NAMES: Final = {
    names.HOST: "host", names.PORT: "port", names.SECURE: "secure", names.REQUIRE_TLS: "requireTLS",
    names.AUTH: "auth", names.USERNAME: "auth.user", names.PASSWORD: "auth.pass", names.CA_CERTIFICATE: "tls.ca",
    names.CONNECTION_TIMEOUT: "connectionTimeout", names.SOCKET_TIMEOUT: "socketTimeout",
}  # fmt: skip


def _read(given: Entries, policy: RelayPolicy) -> Relay | None:
    values = {name: given.value(name) for name in given.names}
    for name in ("connectionTimeout", "socketTimeout"):
        if (milliseconds := read_milliseconds(given, name, policy)) is not None:
            values[name] = milliseconds / 1000
    if not any(name.startswith("auth.") for name in values):
        values["auth"] = "none"
    entries = Entries(values, Words(MEMBER_NAMES))
    relay = read_relay(entries, policy)
    given.add(entries)
    return relay


SMTP: Final = Kind(
    ProviderKind.SMTP,
    "An SMTP relay",
    (
        Member(
            "host", TEXT, "The relay's fully qualified host name, such as smtp.example.com.",
            is_required=True, is_destination=True,
        ),
        Member(
            "port", PORT, "The relay's port: 587 for STARTTLS, 465 for implicit TLS.",
            is_required=True, is_destination=True,
        ),
        Member(
            "secure", BOOLEAN, "true: implicit TLS, from the first octet; false: STARTTLS. Default: true on "
            "ports 465 and 2465.",
            is_destination=True,
        ),
        Member(
            "requireTLS", BOOLEAN, "false sends a message in clear text if the relay offers no STARTTLS. "
            "Credentials are never sent in clear text.",
            default=True, is_destination=True,
        ),
        Member("connectionTimeout", MILLISECONDS, "Milliseconds to connect."),
        Member("socketTimeout", MILLISECONDS, "Milliseconds to wait for each reply."),
        Member(
            "auth.user", CREDENTIAL, "The user name that the relay expects.",
            is_required=True, is_destination=True,
        ),
        Member(
            "auth.pass", CREDENTIAL, "The password of the relay's user.",
            is_required=True, is_secret=True, kept_beside="auth.",
        ),
        Member(
            "tls.ca", PEM, "PEM of a private CA; no other CA is then trusted for this provider.",
            is_secret=True, is_destination=True,
        ),
        Member(
            "tls.rejectUnauthorized", TRUE, "Certificates are always verified. Give the PEM of a private CA in "
            "tls.ca.",
            default=True,
        ),
    ),
    address="host",
    read=_read,
)  # fmt: skip
