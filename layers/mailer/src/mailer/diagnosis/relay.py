"""What an admin is told about a failure on the road to a relay: why it failed, which entry to change, and to what.

The relay's own reply decides where there is one: what Gmail, Microsoft 365, Amazon SES and others answer at AUTH and
MAIL is known and documented by them. No reason and no remedy quotes a value.
"""

import re
from typing import assert_never

import msgspec

from mailer.diagnosis.diagnosis import Diagnosis
from mailer.relay.provider import ENTRIES_PROVIDER, MailgunAccount, Provider, SendgridAccount, SesAccount
from mailer.relay.relay import IMPLICIT_TLS_PORTS, OAuthAuth, Relay, TlsMode
from mailer.secret.provider_members import in_members, place, place_of_entry
from mailer.smtp.outcome import Cause, Failure, Phase


class _KnownReply(msgspec.Struct, frozen=True):
    phases: tuple[Phase, ...]
    pattern: str
    diagnosis: Diagnosis
    host: str

    def fits(self, phase: Phase, host: str, said: str) -> bool:
        # Compiled when a relay has failed, and not at every start: most starts never need one of these.
        return (
            phase in self.phases
            and re.search(self.host, host, re.IGNORECASE) is not None
            and re.search(self.pattern, said, re.IGNORECASE) is not None
        )


def diagnose(failure: Failure, relay: Relay) -> Diagnosis:
    """Say what the failure means for this relay's configuration."""
    if failure.phase is Phase.AUTH and isinstance(relay.auth, OAuthAuth):
        from mailer.diagnosis.oauth import diagnose_oauth  # noqa: PLC0415 -- few relays want tokens

        if (diagnosis := diagnose_oauth(failure, relay.host, relay.auth.grant)) is not None:
            return diagnosis
    if failure.reply is not None:
        said = f"{failure.reply.code} {failure.reply.text}"
        for known in _KNOWN_REPLIES:
            if known.fits(failure.phase, relay.host, said):
                return known.diagnosis
    return _by_cause(failure, relay)


def diagnose_provider(failure: Failure, provider: Provider) -> Diagnosis:
    """Say what the failure means for this provider of a project's chain."""
    match provider.config:
        case Relay() as relay:
            diagnosis = diagnose(failure, relay)
            if provider.id == ENTRIES_PROVIDER:
                return diagnosis
            place = place_of_entry(provider.id, diagnosis.entry)
            return Diagnosis(in_members(diagnosis.reason), in_members(diagnosis.remedy), place)
        case SesAccount() | SendgridAccount() | MailgunAccount():
            return _of_account(failure, provider)
        case unreachable:
            assert_never(unreachable)


def _of_account(failure: Failure, provider: Provider) -> Diagnosis:
    secret, where = ("secretAccessKey", "region") if isinstance(provider.config, SesAccount) else ("apiKey", "baseUrl")
    match failure.phase:
        case Phase.RESOLVE | Phase.CONNECT if failure.cause is Cause.HOST_BLOCKED:
            return Diagnosis(
                "The platform does not connect to this API: it leads to an address that is not allowed.",
                "Use an API with a public address, or ask the operator to allow its range.",
                place(provider.id, where),
            )
        case Phase.RESOLVE | Phase.CONNECT:
            return Diagnosis(
                "The provider's API could not be reached.",
                "Try again; if it stays so, check the region or the base URL.",
                place(provider.id, where),
            )
        case Phase.TLS:
            return Diagnosis(
                "The provider's API has no certificate that is trusted.",
                "Check the base URL; for a private authority give its certificate in caCertificate.",
                place(provider.id, where),
            )
        case Phase.AUTH if failure.reply is None or failure.reply.is_permanent:
            return Diagnosis(
                "The provider did not accept the credentials.",
                "Give a key that exists, is active and may send, for this region and domain.",
                place(provider.id, secret),
            )
        case Phase.AUTH:
            return Diagnosis(
                "The provider could not say whether it takes the credentials.",
                "Try again later; its answer says why.",
                place(provider.id),
            )
        case _:
            return Diagnosis(
                "The provider did not take the message.",
                "Its answer, where there is one, says why.",
                place(provider.id),
            )


def _known(
    phases: tuple[Phase, ...], pattern: str, entry: str | None, reason: str, remedy: str, *, host: str = ""
) -> _KnownReply:
    return _KnownReply(phases, pattern, Diagnosis(reason, remedy, entry), host)


_AUTH = (Phase.AUTH,)
_SENDER = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.FINAL)
_GOOGLE = r"(^|\.)(gmail|google|googlemail)\.com$"
_MICROSOFT = r"(^|\.)(office365|outlook|hotmail)\.com$"
_SES = r"^email-smtp[.-]"

_KNOWN_REPLIES = (
    _known(
        _AUTH, r"5\.7\.139|SmtpClientAuthentication is disabled|smtp_auth_disabled", "smtpUsername",
        "Microsoft 365 has SMTP AUTH switched off for this mailbox or for the whole organisation.",
        "In the Microsoft 365 admin center tick 'Authenticated SMTP' under the mailbox's mail apps, and lift the "
        "organisation's block where there is one (aka.ms/smtp_auth_disabled); no entry needs to change.",
    ),
    _known(
        _AUTH, r"5\.7\.3|5\.7\.57|5\.7\.8|535", "smtpPassword",
        "Microsoft did not accept the user name and password.",
        "Set `smtpUsername` to the mailbox's full address and `smtpPassword` to its password, or to an app password "
        "where multi-factor authentication is on.",
        host=_MICROSOFT,
    ),
    _known(
        _AUTH, r"5\.7\.9|application-specific password|InvalidSecondFactor", "smtpPassword",
        "Google wants an app password: the account has 2-Step Verification.",
        "Create an app password in the Google account's security settings and put its 16 letters into `smtpPassword`.",
    ),
    _known(
        _AUTH, r"5\.7\.8|BadCredentials|Username and Password not accepted|5\.7\.14|535", "smtpPassword",
        "Google did not accept the user name and password; it never accepts the account's own password over SMTP.",
        "Turn on 2-Step Verification, create an app password and put it into `smtpPassword`; `smtpUsername` is the "
        "account's full address.",
        host=_GOOGLE,
    ),
    _known(
        _AUTH, r"535|Authentication Credentials Invalid", "smtpPassword",
        "Amazon SES did not accept the credentials.",
        "Use SMTP credentials created in the SES console for the region in `smtpHost`; an IAM access key and its "
        "secret are not SMTP credentials.",
        host=_SES,
    ),
    _known(
        _AUTH, r"535|authentication failed", "smtpPassword",
        "SendGrid did not accept the credentials.",
        "Set `smtpUsername` to the word apikey and `smtpPassword` to an API key with the Mail Send permission.",
        host=r"(^|\.)sendgrid\.net$",
    ),
    _known(
        _AUTH, r"535", "smtpPassword",
        "Mailgun did not accept the credentials.",
        "Use the SMTP credentials of the sending domain (Domain settings, SMTP credentials), and "
        "smtp.eu.mailgun.org as `smtpHost` for a domain in the EU region.",
        host=r"(^|\.)mailgun\.org$",
    ),
    _known(
        _AUTH, r"535", "smtpPassword",
        "The provider did not accept the user name and password.",
        "Create an app password in the account's security settings and put it into `smtpPassword`.",
        host=r"(^|\.)(yahoo|aol|mail\.me|icloud)\.com$",
    ),
    _known(
        _AUTH, r"^(454|421|4\d\d).*too many", None,
        "The relay blocks logins for a while because there were too many.",
        "Wait for as long as the reply says; if it comes back, check that no other program uses an old password.",
    ),
    _known(
        _AUTH, r"^(535|530|534|538|5\d\d)", "smtpPassword",
        "The relay did not accept the user name and password.",
        "Check `smtpUsername` and `smtpPassword`; many providers want an app password or an API key instead of the "
        "account's own password.",
    ),
    _known(
        _SENDER, r"not verified|5\.7\.1.*verif|MailFromDomainNotVerified", "smtpFromAddress",
        "Amazon SES has not verified this sender, or the account is still in the sandbox.",
        "Verify the address or its domain in the SES console of the region in `smtpHost`; in the sandbox every "
        "recipient needs to be verified too.",
        host=_SES,
    ),
    _known(
        _SENDER, r"5\.7\.60|SendAsDenied|5\.2\.252", "smtpFromAddress",
        "Microsoft 365 does not let this mailbox send as this sender.",
        "Use the mailbox's own address in `smtpFromAddress`, or give the mailbox the Send As permission for it.",
    ),
    _known(
        _SENDER, r"verified Sender Identity", "smtpFromAddress",
        "SendGrid does not know this sender.",
        "Verify the address or its domain under Sender Authentication, or use a verified one in `smtpFromAddress`.",
    ),
    _known(
        _SENDER, r"must issue a STARTTLS", "smtpSecure",
        "The relay wants TLS before anything else.",
        "Set `smtpSecure` to false for STARTTLS on port 587, or to true for implicit TLS on port 465.",
    ),
    _known(
        _SENDER, r"^(530|535|538)|authentication (is )?required|5\.7\.0", "smtpAuth",
        "The relay wants a login before it takes a message.",
        "Set `smtpUsername` and `smtpPassword`, and leave `smtpAuth` out or set it to password.",
    ),
    _known(
        _SENDER, r"relay(ing)? (access )?(is )?(denied|not permitted|not allowed)|unable to relay|5\.7\.1.*relay",
        "smtpAuth",
        "The relay does not relay for us.",
        "Give it credentials (`smtpUsername`, `smtpPassword`), or let the relay's administrator allow the platform's "
        "addresses.",
    ),
    _known(
        (Phase.MAIL,), r"^(550|551|553|554|501)", "smtpFromAddress",
        "The relay does not take mail from this envelope sender.",
        "Use a sender in `smtpFromAddress` (and in `smtpReturnPath`, where set) that this account may send as.",
    ),
)  # fmt: skip


def _by_cause(failure: Failure, relay: Relay) -> Diagnosis:
    match failure.cause:
        case Cause.NAME_NOT_FOUND:
            return Diagnosis("The relay's host name does not exist.", "Check the spelling of `smtpHost`.", "smtpHost")
        case Cause.NAME_UNAVAILABLE:
            return Diagnosis(
                "The relay's host name could not be resolved in time.",
                "Try again; if it stays so, check the name servers of the domain in `smtpHost`.",
                "smtpHost",
            )
        case Cause.HOST_BLOCKED:
            return Diagnosis(
                "The platform does not connect to this host: it leads to an address or a port that is not allowed.",
                "Use a relay with a public address in `smtpHost`, or ask the operator to allow its range.",
                "smtpHost",
            )
        case Cause.STARTTLS_NOT_OFFERED:
            return Diagnosis(
                "The relay offers no STARTTLS on this port, and neither credentials nor mail go in clear.",
                "Use the relay's port for STARTTLS (587) or set `smtpPort` to 465 and `smtpSecure` to true; "
                "`smtpRequireTls` may be false only for a relay without credentials.",
                "smtpPort",
            )
        case Cause.TLS_MISMATCH if relay.tls is TlsMode.IMPLICIT:
            return Diagnosis(
                "The relay does not begin with TLS on this port, as implicit TLS does.",
                "Set `smtpSecure` to false for STARTTLS, or `smtpPort` to 465.",
                "smtpSecure",
            )
        case Cause.TLS_MISMATCH | Cause.TLS_HANDSHAKE_FAILED:
            return Diagnosis(
                "The relay and the platform found no common way to speak TLS.",
                "Let the relay offer TLS 1.2 or newer with current ciphers; check that `smtpPort` is its mail port.",
                "smtpPort",
            )
        case Cause.AUTH_MECHANISM_UNSUPPORTED:
            return Diagnosis(
                "The relay offers neither AUTH PLAIN nor AUTH LOGIN over TLS.",
                "Use the provider's submission port (587 or 465); set `smtpAuth` to none if the relay trusts the "
                "network instead.",
                "smtpAuth",
            )
        case Cause.TOO_LARGE:
            return Diagnosis("The message is larger than the relay takes.", "Send less, or ask for a higher limit.")
        case Cause.TOO_LITTLE_TIME:
            return Diagnosis(
                "The relay was so slow that there was too little time left to hand the message over safely.",
                "Try again later.",
            )
        case _ if failure.cause.value.startswith("certificate-"):
            return _certificate(failure.cause)
        case _:
            return _by_phase(failure, relay)


def _certificate(cause: Cause) -> Diagnosis:
    match cause:
        case Cause.CERTIFICATE_HOST_MISMATCH:
            return Diagnosis(
                "The relay's certificate is for another name than `smtpHost`.",
                "Set `smtpHost` to a name that the certificate carries, as the provider's manual gives it.",
                "smtpHost",
            )
        case Cause.CERTIFICATE_EXPIRED:
            return Diagnosis("The relay's certificate has expired.", "Let the relay's administrator renew it.")
        case Cause.CERTIFICATE_NOT_YET_VALID:
            return Diagnosis(
                "The relay's certificate is not valid yet.", "Let the relay's administrator check its dates."
            )
        case Cause.CERTIFICATE_UNTRUSTED:
            return Diagnosis(
                "The relay's certificate was not issued by an authority that is trusted.",
                "For a private authority put its certificate into `smtpCaCertificate` as PEM; otherwise let the relay "
                "send its whole chain.",
                "smtpCaCertificate",
            )
        case _:
            return Diagnosis(
                "The relay's certificate does not hold up to verification.",
                "Let the relay's administrator reissue it by the rules of RFC 5280 (an authority needs the key usage "
                "and key identifier extensions).",
                "smtpCaCertificate",
            )


def _by_phase(failure: Failure, relay: Relay) -> Diagnosis:
    if failure.phase is Phase.CONNECT:
        remedy = "Check `smtpHost` and `smtpPort`, and that the relay's firewall lets the platform in."
        if relay.port == 25:
            remedy = "Use port 587 or 465 in `smtpPort`: networks such as AWS block outbound port 25."
        return Diagnosis("No connection to the relay came about.", remedy, "smtpPort")
    if failure.phase is Phase.GREETING and failure.reply is None:
        if relay.tls is not TlsMode.IMPLICIT and relay.port in IMPLICIT_TLS_PORTS:
            return Diagnosis(
                "The relay did not greet: this port expects TLS from the first octet.",
                "Set `smtpSecure` to true, or use `smtpPort` 587 with STARTTLS.",
                "smtpSecure",
            )
        return Diagnosis(
            "The relay did not greet in time.",
            "Check that `smtpPort` is the relay's mail port and that `smtpSecure` fits it (465: true, 587: false).",
            "smtpPort",
        )
    if failure.reply is not None and failure.reply.is_transient:
        return Diagnosis("The relay asked to come back later.", "Try again after a while; its reply says why.")
    if failure.reply is not None and failure.phase in (Phase.GREETING, Phase.EHLO, Phase.STARTTLS):
        return Diagnosis(
            "The relay turned the connection away.",
            "Try again later; if it stays so, its reply says why: check `smtpHost`, or let the relay's administrator "
            "allow the platform's addresses.",
            "smtpHost",
        )
    if failure.phase is Phase.RCPT:
        return Diagnosis("The relay refused a recipient.", "Correct the recipient's address.")
    if failure.reply is not None and failure.reply.is_permanent:
        return Diagnosis("The relay refused.", "Its reply says why; correct what it names.")
    return Diagnosis(
        "The conversation with the relay broke off before it had accepted anything.", "Try again after a while."
    )
