"""Explain a failed attempt to an admin: the reason, the setting to change, and its new value.

If the relay replied, the reply decides: Gmail, Microsoft 365, Amazon SES and others document their replies. No text
quotes a value.
"""

import re
from collections.abc import Mapping
from typing import assert_never

import msgspec

from mailer.diagnosis.diagnosis import Diagnosis
from mailer.relay.provider import ApiAccount, Provider
from mailer.relay.relay import IMPLICIT_TLS_PORTS, NoAuth, OAuthAuth, Relay, TlsMode
from mailer.secret import names
from mailer.secret.entries import ENTRY_WORDS, Words
from mailer.secret.provider.provider_list import words_of
from mailer.secret.provider.registry import KINDS, place
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.refused import Refused, asks_for_login, is_relaying_refused, what_is_refused
from mailer.smtp.reply import Reply


class _KnownReply(msgspec.Struct, frozen=True):
    phases: tuple[Phase, ...]
    pattern: str
    entry: str | None
    reason: str
    remedy: str
    host: str = ""

    def fits(self, failure: Failure, host: str) -> bool:
        # Compiled only after a failure, to save time at the start.
        said = f"{failure.reply.code} {failure.reply.text}" if failure.reply is not None else ""
        searched = ((self.host, host), (self.pattern, said))
        return failure.phase in self.phases and all(re.search(form, text, re.IGNORECASE) for form, text in searched)


def diagnose_provider(failure: Failure, provider: Provider, *, has_return_path: bool = False) -> Diagnosis:
    """Explain what the failure means for this provider. The text uses the names of settings that its admin knows.

    `has_return_path` is true if the envelope sender was `smtpReturnPath`, not the From address.
    """
    match provider.config:
        case Relay() as relay:
            return diagnose(failure, relay, words_of(provider), has_return_path=has_return_path)
        case ApiAccount():
            return _of_account(failure, provider)
        case unreachable:
            assert_never(unreachable)


def diagnose(failure: Failure, relay: Relay, words: Words = ENTRY_WORDS, *, has_return_path: bool = False) -> Diagnosis:
    """Explain what the failure means for this relay. The text uses the names that `words` gives to settings."""
    is_return_path_refused = has_return_path and what_is_refused(failure) is Refused.SENDER
    diagnosis = _RETURN_PATH_REFUSED if is_return_path_refused else _find(failure, relay)
    return Diagnosis(words.fill(diagnosis.reason), words.fill(diagnosis.remedy), words.place_of(diagnosis.entry))


def _find(failure: Failure, relay: Relay) -> Diagnosis:
    if failure.phase is Phase.AUTH and isinstance(relay.auth, OAuthAuth):
        from mailer.diagnosis.oauth import diagnose_oauth  # noqa: PLC0415 -- few relays use OAuth

        if (diagnosis := diagnose_oauth(failure, relay.host, relay.auth.grant)) is not None:
            return diagnosis
    if failure.reply is not None:
        for known in _KNOWN_REPLIES:
            if known.fits(failure, relay.host):
                return Diagnosis(known.reason, known.remedy, known.entry)
        if (diagnosis := _of_refusal(failure, failure.reply, relay)) is not None:
            return diagnosis
    if failure.cause is Cause.TOO_MANY_CONNECTIONS and failure.reply is None:
        return _CLOSED_AT_ONCE
    if failure.cause is Cause.TLS_MISMATCH and relay.tls is TlsMode.IMPLICIT:
        return _NOT_IMPLICIT
    return _BY_CAUSE.get(failure.cause) or _by_phase(failure, relay)


def _of_refusal(failure: Failure, reply: Reply, relay: Relay) -> Diagnosis | None:
    match what_is_refused(failure):
        case Refused.LOGIN if failure.phase is Phase.AUTH:
            return None
        case Refused.LOGIN if not is_relaying_refused(reply):
            return _LOGIN_REQUIRED
        case Refused.LOGIN:
            return _NOT_RELAYED if isinstance(relay.auth, NoAuth) else _ACCOUNT_MAY_NOT_SEND
        case Refused.SENDER:
            return _SENDER_REFUSED
        case Refused.RECIPIENT | Refused.MESSAGE:
            return _LOGIN_REQUIRED if asks_for_login(failure.phase, reply.code) else None
        case unreachable:
            assert_never(unreachable)


def _of_account(failure: Failure, provider: Provider) -> Diagnosis:
    kind = KINDS[provider.kind]
    reason = "The provider did not accept the message."
    remedy = "Read the provider's answer, correct what it names, and try again."
    member: str | None = kind.address
    match failure.phase:
        case Phase.RESOLVE | Phase.CONNECT if failure.cause is Cause.HOST_BLOCKED:
            reason = "The platform must not connect to this API: its address is not allowed."
            remedy = "Use an API with a public address, or ask the operator to allow this address."
        case Phase.RESOLVE | Phase.CONNECT:
            reason = "The provider's API could not be reached."
            remedy = "Try again. If it fails again, check the region or the base URL."
        case Phase.TLS:
            reason = "The certificate of the provider's API is not trusted."
            remedy = "Check the base URL. For a private CA, give its certificate in caCertificate."
        case Phase.AUTH if failure.reply is None or failure.reply.is_permanent:
            reason = "The provider did not accept the credentials."
            remedy = "Give an active key that may send, for this region and domain."
            member = kind.secret
        case Phase.AUTH:
            reason = "The provider could not check the credentials."
            remedy = "Try again later. If it fails again, read the provider's answer."
            member = None
        case _:
            member = None
    return Diagnosis(reason, remedy, place(provider.id, member))


_AUTH = (Phase.AUTH,)
_SENDER = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.FINAL)
_GOOGLE = r"(^|\.)(gmail|google|googlemail)\.com$"
_MICROSOFT = r"(^|\.)(office365|outlook|hotmail)\.com$"
_SES = r"^email-smtp[.-]"

_KNOWN_REPLIES = (
    _KnownReply(
        _AUTH, r"5\.7\.139|SmtpClientAuthentication is disabled|smtp_auth_disabled", names.USERNAME,
        "Microsoft 365 has SMTP AUTH switched off for this mailbox or for the whole organisation.",
        "In the Microsoft 365 admin center, turn on 'Authenticated SMTP' in the mailbox's mail apps, and remove the "
        "organisation's block if there is one (aka.ms/smtp_auth_disabled). No entry needs to change.",
    ),
    _KnownReply(
        _AUTH, r"5\.7\.3|5\.7\.57|5\.7\.8|535", names.PASSWORD,
        "Microsoft did not accept the user name and password.",
        "Set `{smtpUsername}` to the mailbox's full address and `{smtpPassword}` to its password. With multi-factor "
        "authentication, use an app password.",
        host=_MICROSOFT,
    ),
    _KnownReply(
        _AUTH, r"5\.7\.9|application-specific password|InvalidSecondFactor", names.PASSWORD,
        "Google requires an app password: the account has 2-Step Verification.",
        "Create an app password in the Google account's security settings and set `{smtpPassword}` to its 16 letters.",
    ),
    _KnownReply(
        _AUTH, r"5\.7\.8|BadCredentials|Username and Password not accepted|5\.7\.14|535", names.PASSWORD,
        "Google did not accept the user name and password. It never accepts the account's own password over SMTP.",
        "Turn on 2-Step Verification, create an app password and set `{smtpPassword}` to it. Set `{smtpUsername}` to "
        "the account's full address.",
        host=_GOOGLE,
    ),
    _KnownReply(
        _AUTH, r"535|Authentication Credentials Invalid", names.PASSWORD,
        "Amazon SES did not accept the credentials.",
        "Use SMTP credentials from the SES console, for the region in `{smtpHost}`. An IAM access key is not an SMTP "
        "credential.",
        host=_SES,
    ),
    _KnownReply(
        _AUTH, r"535|authentication failed", names.PASSWORD,
        "SendGrid did not accept the credentials.",
        "Set `{smtpUsername}` to the word apikey and `{smtpPassword}` to an API key with the Mail Send permission.",
        host=r"(^|\.)sendgrid\.net$",
    ),
    _KnownReply(
        _AUTH, r"535", names.PASSWORD,
        "Mailgun did not accept the credentials.",
        "Use the SMTP credentials of the sending domain (Domain settings, SMTP credentials). For a domain in the EU "
        "region, set `{smtpHost}` to smtp.eu.mailgun.org.",
        host=r"(^|\.)mailgun\.org$",
    ),
    _KnownReply(
        _AUTH, r"535", names.PASSWORD,
        "The provider did not accept the user name and password.",
        "Create an app password in the account's security settings and set `{smtpPassword}` to it.",
        host=r"(^|\.)(yahoo|aol|mail\.me|icloud)\.com$",
    ),
    _KnownReply(
        _AUTH, r"^(454|421|4\d\d).*too many", None,
        "The relay blocks log-ins for a while because there were too many.",
        "Wait as long as the reply says. If it happens again, check that no other program uses an old password.",
    ),
    _KnownReply(
        _AUTH, r"^(535|530|534|538|5\d\d)", names.PASSWORD,
        "The relay did not accept the user name and password.",
        "Check `{smtpUsername}` and `{smtpPassword}`. Many providers require an app password or an API key instead of "
        "the account's own password.",
    ),
    _KnownReply(
        _SENDER, r"not verified|5\.7\.1.*verif|MailFromDomainNotVerified", names.FROM_ADDRESS,
        "Amazon SES has not verified this sender, or the account is still in the sandbox.",
        "Verify the address or its domain in the SES console, for the region in `{smtpHost}`. In the sandbox, verify "
        "every recipient too.",
        host=_SES,
    ),
    _KnownReply(
        _SENDER, r"5\.7\.60|SendAsDenied|5\.2\.252", names.FROM_ADDRESS,
        "Microsoft 365 does not let this mailbox send from this address.",
        "Use the mailbox's own address in `{smtpFromAddress}`, or give the mailbox the Send As permission for it.",
    ),
    _KnownReply(
        _SENDER, r"verified Sender Identity", names.FROM_ADDRESS,
        "SendGrid does not know this sender.",
        "Verify the address or its domain under Sender Authentication, or use a verified one in `{smtpFromAddress}`.",
    ),
    _KnownReply(
        _SENDER, r"must issue a STARTTLS", names.SECURE,
        "The relay requires TLS.",
        "Set `{smtpSecure}` to false for STARTTLS on port 587, or to true for implicit TLS on port 465.",
    ),
)  # fmt: skip


_LOGIN_REQUIRED = Diagnosis(
    "The relay requires a log-in.",
    "Set `{smtpUsername}` and `{smtpPassword}`, and remove `{smtpAuth}` or set it to password.",
    names.AUTH,
)
_NOT_RELAYED = Diagnosis(
    "The relay does not forward mail for the platform.",
    "Set credentials (`{smtpUsername}`, `{smtpPassword}`), or ask the relay's administrator to allow the platform's "
    "addresses.",
    names.AUTH,
)
_ACCOUNT_MAY_NOT_SEND = Diagnosis(
    "The relay does not forward mail for this account.",
    "Use an account that may send to other domains in `{smtpUsername}`, or ask the relay's administrator to allow it.",
    names.USERNAME,
)
_SENDER_REFUSED = Diagnosis(
    "The relay does not accept this envelope sender.",
    "Set `{smtpFromAddress}` to an address that this account may send as, or ask the relay's administrator to allow "
    "this one.",
    names.FROM_ADDRESS,
)
_RETURN_PATH_REFUSED = Diagnosis(
    "The relay does not accept the return-path as envelope sender.",
    "Set `{smtpReturnPath}` to an address that this account may send as, or remove it.",
    names.RETURN_PATH,
)
_TLS_FAILED = Diagnosis(
    "The relay and the platform have no TLS version or cipher in common.",
    "Enable TLS 1.2 or newer with current ciphers on the relay. Check that `{smtpPort}` is its mail port.",
    names.PORT,
)
_NOT_IMPLICIT = Diagnosis(
    "The relay does not use implicit TLS on this port.",
    "Set `{smtpSecure}` to false for STARTTLS, or `{smtpPort}` to 465.",
    names.SECURE,
)
_CLOSED_AT_ONCE = Diagnosis(
    "The relay closed the connection without a greeting, as some relays do if there are too many connections.",
    "Try again later. If it fails again, check that `{smtpPort}` is the relay's mail port, or ask the relay's "
    "administrator to allow more connections.",
    names.PORT,
)
_BY_CAUSE: Mapping[Cause, Diagnosis] = {
    Cause.NAME_NOT_FOUND: Diagnosis(
        "The relay's host name does not exist.", "Check the spelling of `{smtpHost}`.", names.HOST
    ),
    Cause.NAME_UNAVAILABLE: Diagnosis(
        "The relay's host name could not be resolved in time.",
        "Try again. If it fails again, check the name servers of the domain in `{smtpHost}`.", names.HOST,
    ),
    Cause.HOST_BLOCKED: Diagnosis(
        "The platform must not connect to this host: its address or port is not allowed.",
        "Set `{smtpHost}` to a relay with a public address and an allowed port, or ask the operator to allow this one.",
        names.HOST,
    ),
    Cause.STARTTLS_NOT_OFFERED: Diagnosis(
        "The relay offers no STARTTLS on this port, and nothing is sent in clear text.",
        "Use the relay's port for STARTTLS (587), or set `{smtpPort}` to 465 and `{smtpSecure}` to true. For a relay "
        "without TLS and without a log-in, set `{smtpRequireTls}` to false.", names.PORT,
    ),
    Cause.TLS_MISMATCH: _TLS_FAILED,
    Cause.TLS_HANDSHAKE_FAILED: _TLS_FAILED,
    Cause.AUTH_MECHANISM_UNSUPPORTED: Diagnosis(
        "The relay offers neither AUTH PLAIN nor AUTH LOGIN over TLS.",
        "Use the provider's submission port (587 or 465), or set `{smtpAuth}` to none if the relay needs no log-in.",
        names.AUTH,
    ),
    Cause.TOO_LARGE: Diagnosis(
        "The message is too large for the relay.",
        "Send fewer or smaller attachments, or ask the relay's administrator for a higher limit.",
    ),
    Cause.TOO_MANY_CONNECTIONS: Diagnosis(
        "The relay takes no further connection from the platform at the moment.",
        "Try again later. If it happens often, ask the relay's administrator to allow more connections.",
    ),
    Cause.TOO_LITTLE_TIME: Diagnosis(
        "The relay was too slow: too little time was left to send the message safely.", "Try again later."
    ),
    Cause.CERTIFICATE_HOST_MISMATCH: Diagnosis(
        "The relay's certificate is for another name than `{smtpHost}`.",
        "Set `{smtpHost}` to a name in the certificate, as in the provider's manual.", names.HOST,
    ),
    Cause.CERTIFICATE_EXPIRED: Diagnosis(
        "The relay's certificate has expired.", "Ask the relay's administrator to renew it."
    ),
    Cause.CERTIFICATE_NOT_YET_VALID: Diagnosis(
        "The relay's certificate is not valid yet.", "Ask the relay's administrator to check its dates."
    ),
    Cause.CERTIFICATE_UNTRUSTED: Diagnosis(
        "The relay's certificate was not issued by a trusted CA.",
        "For a private CA, set `{smtpCaCertificate}` to its certificate as PEM. Otherwise configure the relay to send "
        "its whole chain.", names.CA_CERTIFICATE,
    ),
    Cause.CERTIFICATE_INVALID: Diagnosis(
        "The relay's certificate cannot be verified.",
        "Ask the relay's administrator to issue it again by RFC 5280: a CA needs the key usage and key identifier "
        "extensions.", names.CA_CERTIFICATE,
    ),
}  # fmt: skip


def _by_phase(failure: Failure, relay: Relay) -> Diagnosis:
    if failure.phase is Phase.CONNECT:
        remedy = "Check `{smtpHost}` and `{smtpPort}`, and that the relay's firewall allows the platform."
        if relay.port == 25:
            remedy = "Set `{smtpPort}` to 587 or 465: networks such as AWS block outbound port 25."
        return Diagnosis("The platform could not connect to the relay.", remedy, names.PORT)
    if failure.phase is Phase.GREETING and failure.reply is None:
        if relay.tls is not TlsMode.IMPLICIT and relay.port in IMPLICIT_TLS_PORTS:
            return Diagnosis(
                "The relay sent no greeting: this port requires implicit TLS.",
                "Set `{smtpSecure}` to true, or use `{smtpPort}` 587 with STARTTLS.",
                names.SECURE,
            )
        return Diagnosis(
            "The relay sent no greeting in time.",
            "Check that `{smtpPort}` is the relay's mail port and that `{smtpSecure}` fits it (465: true, 587: false).",
            names.PORT,
        )
    if failure.reply is not None and failure.reply.is_transient:
        return Diagnosis("The relay refused temporarily.", "Try again later. The relay's reply has the reason.")
    if failure.reply is not None and failure.phase in (Phase.GREETING, Phase.EHLO, Phase.STARTTLS):
        return Diagnosis(
            "The relay refused the connection.",
            "Try again later. If it fails again, read the reply: check `{smtpHost}`, or ask the relay's administrator "
            "to allow the platform's addresses.",
            names.HOST,
        )
    if failure.phase is Phase.RCPT:
        return Diagnosis("The relay refused a recipient.", "Correct the recipient's address.")
    if failure.reply is not None and failure.reply.is_permanent:
        return Diagnosis("The relay refused permanently.", "Read the relay's reply, and correct what it names.")
    return Diagnosis("The connection to the relay ended before it accepted anything.", "Try again later.")
