"""Explain a failed log-in with OAuth 2.0: at the token endpoint, or at the relay with the token."""

import re

from mailer.diagnosis.diagnosis import Diagnosis
from mailer.relay.relay import TokenGrant
from mailer.secret.entry_table import (
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
# These replies mean the same as with a password.
_OF_THE_PROTOCOL = re.compile(r"5\.7\.139|SmtpClientAuthentication is disabled|smtp_auth_disabled", re.IGNORECASE)


def diagnose_oauth(failure: Failure, host: str, grant: TokenGrant) -> Diagnosis | None:
    """Explain a failure at AUTH; None if it means the same as with a password."""
    if failure.reply is None:
        return _without_token(failure.cause, grant)
    if not failure.reply.is_permanent or _OF_THE_PROTOCOL.search(failure.reply.text):
        return None
    return _token_refused(host, grant)


def _token_refused(host: str, grant: TokenGrant) -> Diagnosis:
    if _MICROSOFT.search(host) and grant.refresh_token is None:
        return Diagnosis(
            "Microsoft gave the application an access token, but does not let it use this mailbox.",
            "Give the application the permission SMTP.SendAsApp with admin consent. Register it in Exchange Online "
            "(New-ServicePrincipal with the object id of the enterprise application) and give it FullAccess to the "
            "mailbox. Set `{smtpUsername}` to the mailbox's address and `{smtpOauthScope}` to "
            "https://outlook.office365.com/.default.",
            USERNAME,
        )
    if _MICROSOFT.search(host):
        return Diagnosis(
            "Microsoft does not let the account of the refresh token use this mailbox.",
            "Set `{smtpUsername}` to that account's address, and let the account consent to the permission SMTP.Send "
            "of Office 365 Exchange Online.",
            USERNAME,
        )
    if _GOOGLE.search(host):
        return Diagnosis(
            "Google does not accept the access token for this account.",
            "Set `{smtpUsername}` to the account that consented, and let it consent to the scope "
            "https://mail.google.com/: SMTP needs this one.",
            USERNAME,
        )
    return Diagnosis(
        "The relay did not accept the access token.",
        "Check that `{smtpUsername}` is the mailbox of the token, and that `{smtpOauthScope}` is what the relay "
        "requires.",
        USERNAME,
    )


def _without_token(cause: Cause, grant: TokenGrant) -> Diagnosis | None:
    match cause:
        case Cause.AUTH_MECHANISM_UNSUPPORTED:
            return Diagnosis(
                "The relay does not offer AUTH XOAUTH2 over TLS.",
                "Use the provider's submission port (587 or 465), or another `{smtpAuth}`.",
                AUTH,
            )
        case Cause.OAUTH_CLIENT_REJECTED if grant.client_secret is None:
            return Diagnosis(
                "The token endpoint requires the application's secret.",
                "Set `{smtpOauthClientSecret}` to the secret.",
                OAUTH_CLIENT_SECRET,
            )
        case Cause.OAUTH_CLIENT_REJECTED:
            return Diagnosis(
                "The token endpoint did not accept the application's secret.",
                "Secrets expire: create a new one and set `{smtpOauthClientSecret}` to its value, not its id. Check "
                "that `{smtpOauthClientId}` is the same application.",
                OAUTH_CLIENT_SECRET,
            )
        case Cause.OAUTH_CLIENT_UNAUTHORIZED:
            return Diagnosis(
                "The token endpoint does not know the application, or does not allow it this kind of request.",
                "Check `{smtpOauthClientId}`, and that `{smtpOauthTokenUrl}` belongs to the same organisation. An "
                "administrator may have to consent.",
                OAUTH_CLIENT_ID,
            )
        case Cause.OAUTH_GRANT_REJECTED if grant.refresh_token is not None:
            return Diagnosis(
                "The token endpoint no longer accepts the refresh token.",
                "Let the account consent again, to the application in `{smtpOauthClientId}`, and set "
                "`{smtpOauthRefreshToken}` to the new token.",
                OAUTH_REFRESH_TOKEN,
            )
        case Cause.OAUTH_GRANT_REJECTED:
            return Diagnosis(
                "The token endpoint does not let this application log in as itself.",
                "Check `{smtpOauthClientId}` and the application's permissions, or set `{smtpOauthRefreshToken}`.",
                OAUTH_CLIENT_ID,
            )
        case Cause.OAUTH_SCOPE_REJECTED:
            return Diagnosis(
                "The token endpoint does not give a token for this scope.",
                "Set `{smtpOauthScope}` to the scope in the provider's manual, such as "
                "https://outlook.office365.com/.default. With a refresh token it may be removed.",
                OAUTH_SCOPE,
            )
        case Cause.OAUTH_REQUEST_REJECTED:
            return _at_the_address("The token endpoint gives no tokens at this address.")
        case Cause.OAUTH_ANSWER_MALFORMED:
            return _at_the_address("The server at this address is not a token endpoint.")
        case Cause.OAUTH_UNAVAILABLE:
            return Diagnosis(
                "The token endpoint could not be reached, or gave no answer in time.",
                "Try again later. If it fails again, check `{smtpOauthTokenUrl}`.",
                OAUTH_TOKEN_URL,
            )
        case Cause.NAME_NOT_FOUND | Cause.NAME_UNAVAILABLE:
            return _at_the_address("The token endpoint's host name could not be resolved.")
        case Cause.HOST_BLOCKED:
            return Diagnosis(
                "The platform must not connect to the token endpoint: its address or port is not allowed.",
                "Set `{smtpOauthTokenUrl}` to the provider's public address, or ask the operator to allow this one.",
                OAUTH_TOKEN_URL,
            )
        case _ if cause.value.startswith(("certificate-", "tls-")):
            return _at_the_address("The certificate of the token endpoint is not trusted for its name.")
        case _:
            return None


def _at_the_address(reason: str) -> Diagnosis:
    return Diagnosis(reason, "Set `{smtpOauthTokenUrl}` to the address in the provider's manual.", OAUTH_TOKEN_URL)
