"""Provider kind `sendgrid`: SendGrid's v3 API."""

from typing import ClassVar, Final

from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ApiAccount, ProviderKind
from mailer.relay.secret_str import SecretStr
from mailer.secret.entries import Entries
from mailer.secret.provider.http_api import API_KEY, address_members, read_address
from mailer.secret.provider.kind import Kind

_REGIONS = {"us": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}


class SendgridAccount(ApiAccount, frozen=True):
    """SendGrid's v3 API; `base_url` has no path, `ca_certificate` is a private CA as PEM."""

    kind: ClassVar = ProviderKind.SENDGRID
    api_key: SecretStr
    base_url: str
    ca_certificate: str | None = None

    @property
    def endpoint(self) -> str:
        """The base URL."""
        return self.base_url


def _read(given: Entries, policy: RelayPolicy) -> SendgridAccount:
    api_key = given.secret(API_KEY.name) or SecretStr("")
    return SendgridAccount(api_key, *read_address(given, policy, _REGIONS))


SENDGRID: Final = Kind(
    ProviderKind.SENDGRID,
    "SendGrid",
    (API_KEY, *address_members(_REGIONS)),
    address="baseUrl",
    read=_read,
)
