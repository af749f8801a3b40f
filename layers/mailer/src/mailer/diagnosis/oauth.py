"""Explain a failed log-in with OAuth 2.0: the token endpoint gave no token, or the relay refused the token."""

import re
from collections.abc import Mapping

from mailer.diagnosis.diagnosis import Diagnosis
from mailer.relay.relay import TokenGrant
from mailer.secret import names
from mailer.smtp.outcome import Cause, Failure

_MICROSOFT = re.compile(r"(^|\.)(office365|outlook|hotmail)\.com$", re.IGNORECASE)
_GOOGLE = re.compile(r"(^|\.)(gmail|google|googlemail)\.com$", re.IGNORECASE)
# These replies have the same meaning for a log-in with a password.
_OF_THE_PROTOCOL = re.compile(r"5\.7\.139|SmtpClientAuthentication is disabled|smtp_auth_disabled", re.IGNORECASE)


def diagnose_oauth(failure: Failure, host: str, grant: TokenGrant) -> Diagnosis | None:
    """Explain a failure at AUTH; None if the failure means the same as with a password."""
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
            names.USERNAME,
        )
    if _MICROSOFT.search(host):
        return Diagnosis(
            "Microsoft does not let the account of the refresh token use this mailbox.",
            "Set `{smtpUsername}` to that account's address, and let the account consent to the permission SMTP.Send "
            "of Office 365 Exchange Online.",
            names.USERNAME,
        )
    if _GOOGLE.search(host):
        return Diagnosis(
            "Google does not accept the access token for this account.",
            "Set `{smtpUsername}` to the account that consented, and let it consent to the scope "
            "https://mail.google.com/: SMTP needs this one.",
            names.USERNAME,
        )
    return Diagnosis(
        "The relay did not accept the access token.",
        "Check that `{smtpUsername}` is the mailbox of the token, and that `{smtpOauthScope}` is what the relay "
        "requires.",
        names.USERNAME,
    )


def _without_token(cause: Cause, grant: TokenGrant) -> Diagnosis | None:
    if cause is Cause.OAUTH_CLIENT_REJECTED and grant.client_secret is None:
        return _SECRET_REQUIRED
    if cause is Cause.OAUTH_GRANT_REJECTED and grant.refresh_token is not None:
        return _REFRESH_TOKEN_REJECTED
    if cause.value.startswith(("certificate-", "tls-")):
        return _wrong_url("The certificate of the token endpoint is not trusted for its name.")
    return _BY_CAUSE.get(cause)


def _wrong_url(reason: str) -> Diagnosis:
    remedy = "Set `{smtpOauthTokenUrl}` to the address in the provider's manual."
    return Diagnosis(reason, remedy, names.OAUTH_TOKEN_URL)


_SECRET_REQUIRED = Diagnosis(
    "The token endpoint requires the application's secret.",
    "Set `{smtpOauthClientSecret}` to the secret.",
    names.OAUTH_CLIENT_SECRET,
)
_REFRESH_TOKEN_REJECTED = Diagnosis(
    "The token endpoint no longer accepts the refresh token.",
    "Let the account consent again, to the application in `{smtpOauthClientId}`, and set `{smtpOauthRefreshToken}` to "
    "the new token.",
    names.OAUTH_REFRESH_TOKEN,
)
_BY_CAUSE: Mapping[Cause, Diagnosis] = {
    Cause.AUTH_MECHANISM_UNSUPPORTED: Diagnosis(
        "The relay does not offer AUTH XOAUTH2 over TLS.",
        "Use the provider's submission port (587 or 465), or another `{smtpAuth}`.", names.AUTH,
    ),
    Cause.OAUTH_CLIENT_REJECTED: Diagnosis(
        "The token endpoint did not accept the application's secret.",
        "Secrets expire: create a new one and set `{smtpOauthClientSecret}` to its value, not its id. Check that "
        "`{smtpOauthClientId}` is the same application.", names.OAUTH_CLIENT_SECRET,
    ),
    Cause.OAUTH_CLIENT_UNAUTHORIZED: Diagnosis(
        "The token endpoint does not know the application, or does not allow this kind of request.",
        "Check `{smtpOauthClientId}`, and that `{smtpOauthTokenUrl}` belongs to the same organisation. An "
        "administrator may have to consent.", names.OAUTH_CLIENT_ID,
    ),
    Cause.OAUTH_GRANT_REJECTED: Diagnosis(
        "The token endpoint does not let this application log in as itself.",
        "Check `{smtpOauthClientId}` and the application's permissions, or set `{smtpOauthRefreshToken}`.",
        names.OAUTH_CLIENT_ID,
    ),
    Cause.OAUTH_SCOPE_REJECTED: Diagnosis(
        "The token endpoint does not give a token for this scope.",
        "Set `{smtpOauthScope}` to the scope in the provider's manual, such as https://outlook.office365.com/.default. "
        "With a refresh token you can remove this entry.", names.OAUTH_SCOPE,
    ),
    Cause.OAUTH_REQUEST_REJECTED: _wrong_url("The token endpoint gives no tokens at this address."),
    Cause.OAUTH_ANSWER_MALFORMED: _wrong_url("The server at this address is not a token endpoint."),
    Cause.OAUTH_UNAVAILABLE: Diagnosis(
        "The token endpoint could not be reached, or gave no answer in time.",
        "Try again later. If it fails again, check `{smtpOauthTokenUrl}`.", names.OAUTH_TOKEN_URL,
    ),
    Cause.NAME_NOT_FOUND: _wrong_url("The token endpoint's host name does not exist."),
    Cause.NAME_UNAVAILABLE: _wrong_url("The token endpoint's host name could not be resolved."),
    Cause.HOST_BLOCKED: Diagnosis(
        "The platform must not connect to the token endpoint: its address or port is not allowed.",
        "Set `{smtpOauthTokenUrl}` to the provider's public address, or ask the operator to allow this one.",
        names.OAUTH_TOKEN_URL,
    ),
}  # fmt: skip
