"""The members that all kinds with an API key have: key, region or base URL, and the certificate of a private CA."""

from collections.abc import Mapping

from mailer.relay.https_url import parse_https_url
from mailer.relay.policy import RelayPolicy
from mailer.secret.entries import Entries
from mailer.secret.provider.kind import CREDENTIAL, KEY_PATTERN, PEM, TEXT, Member, text_of
from mailer.secret.relay import read_ca_certificate

API_KEY = Member(
    "apiKey", CREDENTIAL, "The API key from the provider: printable ASCII without spaces.",
    is_required=True, is_secret=True, pattern=KEY_PATTERN,
)  # fmt: skip


def address_members(regions: Mapping[str, str]) -> tuple[Member, ...]:
    """Return the members for the API's address; `regions` maps each region to its base URL, the default first."""
    names = tuple(regions)
    return (
        Member(
            "region", TEXT, f"The region of the API: {' or '.join(names)}. Not together with baseUrl.",
            choices=names, default=names[0], is_destination=True,
        ),
        Member(
            "baseUrl", TEXT, f"The address of the API without a path, such as {regions[names[0]]}. Not together with "
            "region.",
            is_destination=True,
        ),
        Member(
            "caCertificate", PEM, "PEM of a private CA; no other CA is then trusted for this provider.",
            is_secret=True, is_destination=True,
        ),
    )  # fmt: skip


def read_address(given: Entries, policy: RelayPolicy, regions: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the API's base URL without a path, and its private CA as PEM, if there is one."""
    base_url = regions.get((text_of(given, "region") or next(iter(regions))).lower(), "")
    if given.is_given("baseUrl"):
        if given.is_given("region"):
            given.report("region", "region-conflict", "Remove region or baseUrl: only one of them can be used.")
        base_url = _base_url(given, policy)
    certificate = read_ca_certificate(given, "caCertificate") if given.is_given("caCertificate") else None
    return base_url, certificate


def _base_url(given: Entries, policy: RelayPolicy) -> str:
    url = given.parsed("baseUrl", lambda text: parse_https_url(text, policy))
    if url is None:
        return ""
    if url.target != "/":
        given.report("baseUrl", "url-malformed", "Remove the path: write https://host only.")
    return f"https://{url.authority}"
