"""Addresses: one grammar for checks, envelope and headers.

The grammar is a part of RFC 5321's Mailbox: an ASCII dot-atom local part (no quoting, no source routes, no `%` or `!`
routing), and a domain of at least two LDH labels. A parsed address is sent octet for octet; no other parser is used.
Internationalised domains become A-labels (UTS 46, IDNA 2008).
"""

import re

import msgspec

from mailer.problem import InvalidText

MAX_LOCAL_PART = 64
MAX_DOMAIN = 253
MAX_ADDRESS = 254
MAX_DISPLAY_NAME = 200
_MAX_MAILBOX = 2 * MAX_DISPLAY_NAME + MAX_ADDRESS + 5

# "=?" may begin an encoded-word, and some mail programs decode encoded-words even inside an address.
_LOCAL_PART = re.compile(r"(?!.*=\?)[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*\Z")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)\Z")
# Some resolvers read a name with a decimal or hexadecimal last label as an IPv4 address (RFC 1123 section 2.1).
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)\Z")
# C0, DEL, C1, line and paragraph separators, bidirectional controls, surrogates.
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNQUOTED_SPECIALS = re.compile(r'[<>,;:@"\\]')
# A display name that needs no quotes before <address>.
_PLAIN_PHRASE = re.compile(r"[^\s()<>\[\]:;@\\,.\"]+(?: [^\s()<>\[\]:;@\\,.\"]+)*\Z")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\Z')


class InvalidAddress(InvalidText):
    """The text is not exactly one address."""


class Address(msgspec.Struct, frozen=True):
    """One address, spelled as given, with the domain in A-labels. Build it with `parse_address`."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"

    def matches(self, other: "Address") -> bool:
        """Compare without regard to case. Both parts are ASCII, so `lower` changes ASCII letters only."""
        return str(self).lower() == str(other).lower()


class Mailbox(msgspec.Struct, frozen=True):
    """An address with a display name. The name is plain text, not encoded by RFC 2047."""

    address: Address
    display_name: str | None = None

    def __str__(self) -> str:
        if self.display_name is None:
            return str(self.address)
        if _PLAIN_PHRASE.match(self.display_name):
            return f"{self.display_name} <{self.address}>"
        quoted = self.display_name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{self.address}>'


def parse_address(text: str) -> Address:
    """Parse exactly one address; raises `InvalidAddress`. Lengths are checked before any pattern runs."""
    if not text:
        raise InvalidAddress("address-empty", "Give an address.")
    if len(text) > MAX_ADDRESS:
        raise InvalidAddress("address-too-long", f"An address has at most {MAX_ADDRESS} characters (RFC 5321).")
    local_part, separator, domain = text.rpartition("@")
    if not separator:
        raise InvalidAddress("address-malformed", "Write the address as local-part@domain.")
    return Address(_local_part(local_part), parse_domain(domain))


def parse_mailbox(text: str) -> Mailbox:
    """Parse exactly one mailbox: `a@b`, `<a@b>`, `Name <a@b>` or `"Name" <a@b>`.

    Raises `InvalidAddress` for a list, a group or anything else.
    """
    if len(text) > _MAX_MAILBOX:
        raise InvalidAddress("address-too-long", f"A mailbox has at most {_MAX_MAILBOX} characters.")
    if FORBIDDEN.search(text):
        raise InvalidAddress("control-character", "Remove control characters and line breaks.")
    text = text.strip(" ")
    if not text.endswith(">"):
        return Mailbox(parse_address(text))
    name, separator, address = text[:-1].rpartition("<")
    if not separator:
        raise InvalidAddress("address-malformed", "Write the mailbox as Name <local-part@domain>.")
    return Mailbox(parse_address(address.strip(" ")), _display_name(name.strip(" ")))


def parse_display_name(text: str) -> str | None:
    """Return the trimmed name, None for a blank name; raises `InvalidAddress` if a header cannot hold the name."""
    if len(text) > MAX_DISPLAY_NAME:
        raise InvalidAddress("display-name-too-long", f"A display name has at most {MAX_DISPLAY_NAME} characters.")
    if FORBIDDEN.search(text):
        raise InvalidAddress("control-character", "Remove control characters and line breaks.")
    return text.strip() or None


def parse_domain(text: str) -> str:
    """Return the fully qualified domain name in A-labels; raises `InvalidAddress`.

    A label that Unicode maps to plain ASCII, for example full-width letters, is refused.
    """
    ascii_domain = text if text.isascii() else _to_ascii(text)
    if not is_host_name(ascii_domain):
        raise InvalidAddress("domain-malformed", "The part after @ must be a fully qualified domain name.")
    return ascii_domain


def is_host_name(text: str, *, minimum_labels: int = 2) -> bool:
    """Whether the text is an LDH host name (RFC 1123) that no resolver reads as an IP address."""
    if not 0 < len(text) <= MAX_DOMAIN or not text.isascii():
        return False
    labels = text.split(".")
    return (
        len(labels) >= minimum_labels
        and all(_LABEL.match(label) for label in labels)
        and not _NUMERIC_LABEL.match(labels[-1])
    )


def _display_name(phrase: str) -> str | None:
    if quoted := _QUOTED.match(phrase):
        return parse_display_name(re.sub(r"\\(.)", r"\1", quoted[1]))
    if _UNQUOTED_SPECIALS.search(phrase):
        raise InvalidAddress(
            "address-malformed",
            'Give exactly one mailbox; put a display name with special characters in quotes: "Doe, Jane" <a@b>.',
        )
    return parse_display_name(phrase)


def _local_part(text: str) -> str:
    if len(text) > MAX_LOCAL_PART:
        raise InvalidAddress("address-too-long", f"The part before @ has at most {MAX_LOCAL_PART} characters.")
    if not text.isascii():
        raise InvalidAddress(
            "smtputf8-unsupported", "Use an address whose part before @ is ASCII: not every relay takes SMTPUTF8."
        )
    if not _LOCAL_PART.match(text):
        raise InvalidAddress(
            "address-malformed", "Give exactly one address; quoted local parts, comments, lists and routes are refused."
        )
    return text


def _to_ascii(domain: str) -> str:
    import idna  # noqa: PLC0415 -- its tables cost 10 ms of every cold start, and few domains need them

    labels = domain.split(".")
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True, transitional=False).decode("ascii").split(".")
    except idna.IDNAError:
        encoded = []
    if len(encoded) != len(labels) or any(
        not label.isascii() and not a_label.startswith("xn--") for label, a_label in zip(labels, encoded, strict=True)
    ):
        raise InvalidAddress("domain-malformed", "The part after @ is not a valid internationalised domain.")
    return ".".join(encoded)
