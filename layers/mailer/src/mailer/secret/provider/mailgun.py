"""Provider kind `mailgun`: Mailgun's v3 API."""

from typing import ClassVar, Final

from mailer.message.address import InvalidAddress, parse_domain
from mailer.problem import InvalidText
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ApiAccount, ProviderKind
from mailer.relay.secret_str import SecretStr
from mailer.secret.entries import Entries
from mailer.secret.provider.http_api import API_KEY, address_members, read_address
from mailer.secret.provider.kind import TEXT, Kind, Member

_REGIONS = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}
_DOMAIN = Member("domain", TEXT, "The sending domain, such as mg.example.com.", is_required=True, is_destination=True)


class MailgunAccount(ApiAccount, frozen=True):
    """Mailgun's v3 API for one sending domain; `base_url` has no path, `ca_certificate` is a private CA as PEM."""

    kind: ClassVar = ProviderKind.MAILGUN
    api_key: SecretStr
    domain: str
    base_url: str
    ca_certificate: str | None = None

    @property
    def endpoint(self) -> str:
        """The base URL and the domain."""
        return f"{self.base_url} {self.domain}"


def _read(given: Entries, policy: RelayPolicy) -> MailgunAccount:
    api_key = given.secret(API_KEY.name) or SecretStr("")
    domain = given.parsed(_DOMAIN.name, _parse_domain, is_blank_allowed=True) or ""
    return MailgunAccount(api_key, domain, *read_address(given, policy, _REGIONS))


def _parse_domain(text: str) -> str:
    try:
        return parse_domain(text).lower()
    except InvalidAddress as invalid:
        raise InvalidText(invalid.code, "Write the sending domain, such as mg.example.com.") from None


MAILGUN: Final = Kind(
    ProviderKind.MAILGUN,
    "Mailgun",
    (API_KEY, _DOMAIN, *address_members(_REGIONS)),
    address="baseUrl",
    read=_read,
)
