"""What an admin is told where a log-in with OAuth 2.0 failed: at the token endpoint, or at the relay with its token."""

import re

from mailer.diagnosis.diagnosis import Diagnosis
from mailer.relay.relay import TokenGrant
from mailer.secret.names import (
    AUTH,
    OAUTH_CLIENT_ID,
    OAUTH_CLIENT_SECRET,
    OAUTH_REFRESH_TOKEN,
    OAUTH_SCOPE,
    OAUTH_TOKEN_URL,
    USERNAME,
)
from mailer.smtp.outcome import Cause, Failure

_MICROSOFT = re.compile(r"(^|\.)(office365|outlook|hotmail)\.com$", re.IGNORECASE)
_GOOGLE = re.compile(r"(^|\.)(gmail|google|googlemail)\.com$", re.IGNORECASE)
# What it says of the protocol or of the pace is the same with a password.
_OF_THE_PROTOCOL = re.compile(r"5\.7\.139|SmtpClientAuthentication is disabled|smtp_auth_disabled", re.IGNORECASE)


def diagnose_oauth(failure: Failure, host: str, grant: TokenGrant) -> Diagnosis | None:
    """Say what a failure at AUTH means, or None where it means the same as with a password."""
    if failure.reply is None:
        return _without_token(failure.cause, grant)
    if not failure.reply.is_permanent or _OF_THE_PROTOCOL.search(failure.reply.text):
        return None
    return _token_refused(host, grant)


def _token_refused(host: str, grant: TokenGrant) -> Diagnosis:
    if _MICROSOFT.search(host) and grant.refresh_token is None:
        return Diagnosis(
            "Microsoft gave the application an access token and does not let it into this mailbox.",
            "Give the application the permission SMTP.SendAsApp with admin consent, register it in Exchange Online "
            "(New-ServicePrincipal with the object id of the enterprise application) and give it FullAccess to the "
            "mailbox, whose address is `smtpUsername`; `smtpOauthScope` is https://outlook.office365.com/.default.",
            USERNAME,
        )
    if _MICROSOFT.search(host):
        return Diagnosis(
            "Microsoft does not let the account of the refresh token into this mailbox.",
            "Set `smtpUsername` to that account's address, and let it agree to the permission SMTP.Send of Office 365 "
            "Exchange Online.",
            USERNAME,
        )
    if _GOOGLE.search(host):
        return Diagnosis(
            "Google does not take the access token for this account.",
            "Set `smtpUsername` to the account that agreed, and let it agree to the scope https://mail.google.com/: "
            "no smaller one is good for SMTP.",
            USERNAME,
        )
    return Diagnosis(
        "The relay did not accept the access token.",
        "Check that `smtpUsername` is the mailbox that the token is for, and that `smtpOauthScope` is what the relay "
        "asks for.",
        USERNAME,
    )


def _without_token(cause: Cause, grant: TokenGrant) -> Diagnosis | None:
    match cause:
        case Cause.AUTH_MECHANISM_UNSUPPORTED:
            return Diagnosis(
                "The relay does not offer AUTH XOAUTH2 over TLS.",
                "Use the provider's submission port (587 or 465), or another `smtpAuth`: not every relay takes tokens.",
                AUTH,
            )
        case Cause.OAUTH_CLIENT_REJECTED if grant.client_secret is None:
            return Diagnosis(
                "The token endpoint asks this application for its secret.",
                "Put the secret into `smtpOauthClientSecret`.",
                OAUTH_CLIENT_SECRET,
            )
        case Cause.OAUTH_CLIENT_REJECTED:
            return Diagnosis(
                "The token endpoint did not accept the application's secret.",
                "Create a new secret and put its value, not its id, into `smtpOauthClientSecret`: secrets expire. "
                "Check that `smtpOauthClientId` is of the same application.",
                OAUTH_CLIENT_SECRET,
            )
        case Cause.OAUTH_CLIENT_UNAUTHORIZED:
            return Diagnosis(
                "The token endpoint knows no such application, or the application may not ask in this way.",
                "Check `smtpOauthClientId`, and that `smtpOauthTokenUrl` is of the same organisation; an administrator "
                "may have to consent.",
                OAUTH_CLIENT_ID,
            )
        case Cause.OAUTH_GRANT_REJECTED if grant.refresh_token is not None:
            return Diagnosis(
                "The token endpoint does not accept the refresh token any more.",
                "Let the account agree once more and put the new token into `smtpOauthRefreshToken`; it has to be "
                "given to the application in `smtpOauthClientId`.",
                OAUTH_REFRESH_TOKEN,
            )
        case Cause.OAUTH_GRANT_REJECTED:
            return Diagnosis(
                "The token endpoint does not let this application log in as itself.",
                "Check `smtpOauthClientId` and the application's permissions, or give a refresh token in "
                "`smtpOauthRefreshToken`.",
                OAUTH_CLIENT_ID,
            )
        case Cause.OAUTH_SCOPE_REJECTED:
            return Diagnosis(
                "The token endpoint does not give a token for this scope.",
                "Write the scope that the provider's manual names into `smtpOauthScope`, such as "
                "https://outlook.office365.com/.default; with a refresh token it may be left out.",
                OAUTH_SCOPE,
            )
        case Cause.OAUTH_REQUEST_REJECTED:
            return _at_the_address("The address of the token endpoint gives no tokens.")
        case Cause.OAUTH_ANSWER_MALFORMED:
            return _at_the_address("What answers at the address of the token endpoint is no token endpoint.")
        case Cause.OAUTH_UNAVAILABLE:
            return Diagnosis(
                "The token endpoint could not be reached, or gave no answer in time.",
                "Try again later; if it stays so, check `smtpOauthTokenUrl`.",
                OAUTH_TOKEN_URL,
            )
        case Cause.NAME_NOT_FOUND | Cause.NAME_UNAVAILABLE:
            return _at_the_address("The token endpoint's host name could not be resolved.")
        case Cause.HOST_BLOCKED:
            return Diagnosis(
                "The platform does not connect to the token endpoint: it leads to an address or a port that is not "
                "allowed.",
                "Use the provider's public address in `smtpOauthTokenUrl`, or ask the operator to allow its range.",
                OAUTH_TOKEN_URL,
            )
        case _ if cause.value.startswith(("certificate-", "tls-")):
            return _at_the_address("The token endpoint has no certificate that everybody trusts for its name.")
        case _:
            return None


def _at_the_address(reason: str) -> Diagnosis:
    return Diagnosis(reason, "Copy the address from the provider's manual into `smtpOauthTokenUrl`.", OAUTH_TOKEN_URL)
