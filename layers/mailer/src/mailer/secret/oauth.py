"""Read the entries for a log-in with OAuth 2.0: the token endpoint and the client's credentials."""

import re

from mailer.relay.https_url import parse_https_url
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import TokenGrant
from mailer.secret import names
from mailer.secret.entries import Entries

MICROSOFT_HOST = "login.microsoftonline.com"
# The characters that an id and a scope may have: RFC 6749 appendix A.
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,512}\Z")
_SCOPE = re.compile(r"(?=.{1,2048}\Z)[\x21\x23-\x5b\x5d-\x7e]+(?: +[\x21\x23-\x5b\x5d-\x7e]+)*\Z")


def read_grant(entries: Entries, policy: RelayPolicy) -> TokenGrant | None:
    """Return the grant for requesting tokens; if entries have problems, report all of them and return None."""
    remedy = (
        "Add the address of the token endpoint, such as "
        f"https://{MICROSOFT_HOST}/your-tenant-id/oauth2/v2.0/token or https://oauth2.googleapis.com/token."
    )
    token_url = entries.parsed(names.OAUTH_TOKEN_URL, lambda text: parse_https_url(text, policy), missing=remedy)
    remedy = "Copy the id again: it has printable ASCII only, at most 512 characters."
    missing = "Add the id of the application at the provider."
    client_id = entries.matched(names.OAUTH_CLIENT_ID, _CLIENT_ID, "client-id-malformed", remedy, missing=missing)
    scope = None
    if entries.is_given(names.OAUTH_SCOPE):
        remedy = "Write the scopes separated by spaces, without quotes or backslashes."
        scope = entries.matched(names.OAUTH_SCOPE, _SCOPE, "scope-malformed", remedy)
    refresh_token = entries.secret(names.OAUTH_REFRESH_TOKEN)
    has_refresh_token = entries.is_given(names.OAUTH_REFRESH_TOKEN)
    # Only a public client has no secret, and it needs a refresh token.
    remedy = "Add the application's secret. Only a public client with smtpOauthRefreshToken has none."
    client_secret = entries.secret(names.OAUTH_CLIENT_SECRET, missing="" if has_refresh_token else remedy)
    is_microsoft = token_url is not None and token_url.host == MICROSOFT_HOST
    if is_microsoft and not has_refresh_token and not entries.is_given(names.OAUTH_SCOPE):
        remedy = "Add https://outlook.office365.com/.default, which Microsoft requires."
        entries.report(names.OAUTH_SCOPE, "entry-missing", remedy)
    if token_url is None or client_id is None or (client_secret is None and refresh_token is None):
        return None
    return TokenGrant(token_url, client_id, client_secret, scope, refresh_token)
