"""Read the entries for a log-in with OAuth 2.0: the token endpoint and the client's credentials."""

import re

from mailer.relay.https_url import HttpsUrl, parse_https_url
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import TokenGrant
from mailer.relay.secret_str import SecretStr
from mailer.secret import names
from mailer.secret.entries import Entries

MICROSOFT_HOST = "login.microsoftonline.com"
# The characters of an id and of a scope: RFC 6749 appendix A.
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,512}\Z")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: +[\x21\x23-\x5b\x5d-\x7e]+)*\Z")
_MAX_SCOPE = 2048


def read_grant(entries: Entries, policy: RelayPolicy) -> TokenGrant | None:
    """Return the grant to request tokens with, or None after reporting every entry at fault."""
    token_url = _token_url(entries, policy)
    client_id = _client_id(entries)
    scope = _scope(entries)
    client_secret = refresh_token = None
    has_refresh_token = entries.is_given(names.OAUTH_REFRESH_TOKEN)
    if has_refresh_token:
        refresh_token = entries.credential(names.OAUTH_REFRESH_TOKEN)
    # Only a public client has no secret, and it needs a refresh token.
    if entries.is_given(names.OAUTH_CLIENT_SECRET) or not has_refresh_token:
        client_secret = _client_secret(entries)
    if not has_refresh_token and not entries.is_given(names.OAUTH_SCOPE) and _is_microsoft(token_url):
        remedy = "Add https://outlook.office365.com/.default, which Microsoft requires."
        entries.report(names.OAUTH_SCOPE, "entry-missing", remedy)
    if token_url is None or client_id is None or (client_secret is None and refresh_token is None):
        return None
    return TokenGrant(
        token_url,
        client_id,
        SecretStr(client_secret) if client_secret is not None else None,
        scope,
        SecretStr(refresh_token) if refresh_token is not None else None,
    )


def _token_url(entries: Entries, policy: RelayPolicy) -> HttpsUrl | None:
    remedy = (
        "Add the address of the token endpoint, such as "
        f"https://{MICROSOFT_HOST}/your-tenant-id/oauth2/v2.0/token or https://oauth2.googleapis.com/token."
    )
    if not entries.require(names.OAUTH_TOKEN_URL, remedy):
        return None
    return entries.parsed(names.OAUTH_TOKEN_URL, lambda text: parse_https_url(text, policy))


def _client_id(entries: Entries) -> str | None:
    if not entries.require(names.OAUTH_CLIENT_ID, "Add the id of the application at the provider."):
        return None
    client_id = entries.text(names.OAUTH_CLIENT_ID)
    if client_id is not None and not _CLIENT_ID.match(client_id):
        remedy = "Copy the id again: it has printable ASCII only, at most 512 characters."
        entries.report(names.OAUTH_CLIENT_ID, "client-id-malformed", remedy)
        return None
    return client_id


def _client_secret(entries: Entries) -> str | None:
    remedy = "Add the application's secret. Only a public client with smtpOauthRefreshToken has none."
    return entries.credential(names.OAUTH_CLIENT_SECRET) if entries.require(names.OAUTH_CLIENT_SECRET, remedy) else None


def _scope(entries: Entries) -> str | None:
    if not entries.is_given(names.OAUTH_SCOPE):
        return None
    scope = entries.text(names.OAUTH_SCOPE)
    if scope is not None and (len(scope) > _MAX_SCOPE or not _SCOPE.match(scope)):
        entries.report(
            names.OAUTH_SCOPE, "scope-malformed", "Write the scopes separated by spaces, without quotes or backslashes."
        )
        return None
    return scope


def _is_microsoft(token_url: HttpsUrl | None) -> bool:
    return token_url is not None and token_url.host == MICROSOFT_HOST
