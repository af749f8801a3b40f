"""The names of the entries; `entry_table` describes each entry."""

from typing import Final

HOST: Final = "smtpHost"
PORT: Final = "smtpPort"
USERNAME: Final = "smtpUsername"
PASSWORD: Final = "smtpPassword"  # noqa: S105 -- an entry's name
FROM_ADDRESS: Final = "smtpFromAddress"
SERVICE: Final = "smtpService"
SECURE: Final = "smtpSecure"
REQUIRE_TLS: Final = "smtpRequireTls"
AUTH: Final = "smtpAuth"
APPROVED_SENDERS: Final = "smtpApprovedSenders"
FROM_POLICY: Final = "smtpFromPolicy"
FROM_NAME: Final = "smtpFromName"
REPLY_TO: Final = "smtpReplyTo"
RETURN_PATH: Final = "smtpReturnPath"
CA_CERTIFICATE: Final = "smtpCaCertificate"
DAILY_LIMIT: Final = "smtpDailyLimit"
CONNECTION_TIMEOUT: Final = "smtpConnectionTimeout"
SOCKET_TIMEOUT: Final = "smtpSocketTimeout"
OAUTH_TOKEN_URL: Final = "smtpOauthTokenUrl"  # noqa: S105 -- an entry's name
OAUTH_CLIENT_ID: Final = "smtpOauthClientId"
OAUTH_CLIENT_SECRET: Final = "smtpOauthClientSecret"  # noqa: S105 -- an entry's name
OAUTH_REFRESH_TOKEN: Final = "smtpOauthRefreshToken"  # noqa: S105 -- an entry's name
OAUTH_SCOPE: Final = "smtpOauthScope"
PROVIDERS: Final = "emailProviders"
ENABLED: Final = "emailEnabled"
