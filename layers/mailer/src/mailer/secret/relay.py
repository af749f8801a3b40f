"""Read a relay from its entries: host, port, TLS, log-in, limits."""

from mailer.ledger.limits import MAX_LIMIT
from mailer.relay.host import parse_host
from mailer.relay.policy import RelayPolicy
from mailer.relay.preset import Preset, find_preset
from mailer.relay.relay import IMPLICIT_TLS_PORTS, NoAuth, OAuthAuth, PasswordAuth, Relay, RelayAuth, TlsMode
from mailer.secret import names
from mailer.secret.entries import Entries
from mailer.secret.entry_table import OAUTH, AuthMethod
from mailer.secret.oauth import read_grant


def read_relay(entries: Entries, policy: RelayPolicy) -> Relay | None:
    """Return the relay; if entries have problems, report all of them and return None."""
    preset = _preset(entries)
    host = _host(entries, preset, policy)
    port = _port(entries, preset, policy)
    tls = _tls(entries, port)
    auth = _auth(entries, preset, policy)
    ca_certificate = read_ca_certificate(entries)
    connection_timeout = _timeout(entries, names.CONNECTION_TIMEOUT, 10.0, policy)
    socket_timeout = _timeout(entries, names.SOCKET_TIMEOUT, 20.0, policy)
    daily_limit = entries.whole_number(names.DAILY_LIMIT, minimum=1, maximum=MAX_LIMIT)
    if host is None or port is None or auth is None:
        return None
    return Relay(
        host=host,
        port=port,
        tls=tls,
        auth=auth,
        ca_certificate=ca_certificate,
        connection_timeout=connection_timeout,
        socket_timeout=socket_timeout,
        daily_limit=preset.daily_limit if daily_limit is None and preset is not None else daily_limit,
    )


def _preset(entries: Entries) -> Preset | None:
    name = entries.text(names.SERVICE)
    if name is None:
        return None
    preset = find_preset(name)
    if preset is None:
        remedy = "Use a preset from the list in docs/secret.md, or remove the entry and add smtpHost and smtpPort."
        if name.lower() == "ses":
            remedy = "Add the region of the SMTP credentials, as in ses-eu-west-1."
        entries.refuse(names.SERVICE, "service-unknown", remedy)
    return preset


def _host(entries: Entries, preset: Preset | None, policy: RelayPolicy) -> str | None:
    if names.HOST not in entries:
        return preset.host if preset else None
    host = entries.parsed(names.HOST, lambda text: parse_host(text, policy))
    if host is not None and preset is not None and host.lower() != preset.host:
        remedy = "smtpHost is not the host of this preset. Remove smtpHost or smtpService."
        entries.report(names.SERVICE, "service-conflict", remedy)
    return host


def _port(entries: Entries, preset: Preset | None, policy: RelayPolicy) -> int | None:
    if names.PORT not in entries and names.SERVICE in entries:
        port = preset.port if preset else None
    else:
        port = entries.port(names.PORT, missing="Add the relay's port: 587 for STARTTLS, 465 for implicit TLS.")
    if port is None or policy.allows_port(port):
        return port
    allowed = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in policy.ports)
    entries.report(names.PORT, "port-not-allowed", f"Use one of the ports that the operator allows: {allowed}.")
    return None


def _tls(entries: Entries, port: int | None) -> TlsMode:
    secure = entries.boolean(names.SECURE)
    require_tls = entries.boolean(names.REQUIRE_TLS)
    is_implicit = port in IMPLICIT_TLS_PORTS if secure is None else secure
    if require_tls is not False:
        return TlsMode.IMPLICIT if is_implicit else TlsMode.STARTTLS
    if is_implicit:
        remedy = "Remove it: implicit TLS always encrypts the connection."
        entries.warn(names.REQUIRE_TLS, "entry-without-effect", remedy)
        return TlsMode.IMPLICIT
    remedy = "Messages are sent in clear text if the relay offers no STARTTLS. Remove it if the relay has TLS."
    entries.warn(names.REQUIRE_TLS, "plaintext-allowed", remedy)
    return TlsMode.STARTTLS_IF_OFFERED


def _auth(entries: Entries, preset: Preset | None, policy: RelayPolicy) -> RelayAuth | None:
    method = entries.choice(names.AUTH, AuthMethod) if names.AUTH in entries else AuthMethod.PASSWORD
    auth = entries.words.of(names.AUTH)
    if method is not AuthMethod.OAUTH2:
        remedy = f"Remove it: it is used only if {auth} is oauth2."
        for name in filter(entries.is_given, OAUTH):
            entries.warn(name, "entry-without-effect", remedy)
    match method:
        case AuthMethod.OAUTH2:
            if entries.is_given(names.PASSWORD):
                remedy = "Remove it: with oauth2 the log-in uses an access token."
                entries.report(names.PASSWORD, "auth-conflict", remedy)
            username = _username(entries, preset, "Add the address of the mailbox that sends the mail.")
            grant = read_grant(entries, policy)
            return None if username is None or grant is None else OAuthAuth(username, grant)
        case AuthMethod.NONE:
            for name in filter(entries.is_given, (names.USERNAME, names.PASSWORD)):
                remedy = f"Remove it: with {auth} none there is no log-in. To log in, remove {auth}."
                entries.report(name, "auth-conflict", remedy)
            return NoAuth()
        case AuthMethod.PASSWORD:
            without = f"set {auth} to none if the relay needs no log-in."
            username = _username(entries, preset, f"Add the user name that the relay expects, or {without}")
            password = entries.secret(names.PASSWORD, missing=f"Add the password of the relay's user, or {without}")
            return None if username is None or password is None else PasswordAuth(username, password)
        case None:
            return None


def _username(entries: Entries, preset: Preset | None, missing: str) -> str | None:
    username = entries.credential(names.USERNAME, missing=missing)
    if username is not None and preset is not None and preset.username not in (None, username):
        remedy = f"Write {preset.username}: this relay accepts no other user name."
        entries.report(names.USERNAME, "username-wrong", remedy)
    return username


def read_ca_certificate(entries: Entries, name: str = names.CA_CERTIFICATE) -> str | None:
    """Return the entry's certificates as PEM; if there is a problem, report it and return None."""
    text = entries.pem(name)
    if text is None:
        return None
    # Few projects have a private CA; without one, a cold start does not load this module.
    from mailer.relay.ca_certificate import InvalidCertificate, parse_ca_certificate  # noqa: PLC0415

    try:
        certificate = parse_ca_certificate(text)
    except InvalidCertificate as invalid:
        entries.report(name, invalid.code, invalid.detail)
        return None
    if not certificate.is_authority:
        remedy = (
            "This is the server's own certificate, which stops working when it is renewed. Give the CA's certificate."
        )
        entries.warn(name, "certificate-not-ca", remedy)
    return certificate.pem


def _timeout(entries: Entries, name: str, default: float, policy: RelayPolicy) -> float:
    given = entries.seconds(name, minimum=policy.minimum_timeout, maximum=policy.maximum_timeout)
    return given or min(default, policy.maximum_timeout)
