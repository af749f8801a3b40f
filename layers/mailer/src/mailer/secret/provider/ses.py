"""Provider kind `ses`: Amazon SES with the project's own access key."""

from typing import ClassVar, Final

from mailer.relay.policy import RelayPolicy
from mailer.relay.preset import SES_REGIONS
from mailer.relay.provider import ApiAccount, ProviderKind
from mailer.relay.secret_str import SecretStr
from mailer.secret.entries import Entries
from mailer.secret.provider.kind import CREDENTIAL, KEY_PATTERN, TEXT, Kind, Member, text_of


class SesAccount(ApiAccount, frozen=True):
    """Amazon SES with the project's own access key."""

    kind: ClassVar = ProviderKind.SES
    access_key_id: str
    secret_access_key: SecretStr
    region: str

    @property
    def endpoint(self) -> str:
        """The region and the account."""
        return f"ses.{self.region} {self.access_key_id}"


def _read(given: Entries, _: RelayPolicy) -> SesAccount:
    secret = given.secret("secretAccessKey") or SecretStr("")
    return SesAccount(text_of(given, "accessKeyId"), secret, text_of(given, "region").lower())


SES: Final = Kind(
    ProviderKind.SES,
    "Amazon SES",
    (
        Member(
            "accessKeyId", TEXT, "The id of an IAM access key that may send: letters, digits, hyphens and "
            "underscores.",
            is_required=True, is_destination=True, pattern=r"[A-Za-z0-9_-]{1,128}",
        ),
        Member(
            "secretAccessKey", CREDENTIAL, "The key's secret from IAM: printable ASCII without spaces.",
            is_required=True, is_secret=True, pattern=KEY_PATTERN,
        ),
        Member(
            "region", TEXT, "The AWS region where the sender is verified, such as eu-west-1.",
            is_required=True, is_destination=True, choices=SES_REGIONS,
        ),
    ),
    address="region",
    read=_read,
)  # fmt: skip
