"""The contents of the messages: the same for every client, in three sizes."""

from dataclasses import dataclass
from enum import Enum

_SENTENCE = "Dear customer, your invoice is attached; the amount is due within thirty days. Grüße aus Köln.\r\n"


@dataclass(frozen=True, slots=True)
class Content:
    """A text, the same text in HTML, and optionally a file."""

    text: str
    html: str
    attachment: bytes | None


class Size(Enum):
    """A message of about 2 KB without an attachment, or with one of this many octets."""

    SMALL = 0
    MEDIUM = 75_000
    LARGE = 5_000_000


def make_content(size: Size) -> Content:
    """Build the content. An attachment is random, so that no encoder can take a shortcut."""
    text = _SENTENCE * 9
    html = "<!doctype html>\r\n" + "".join(f"<p>{_SENTENCE.strip()}</p>\r\n" for _ in range(9))
    return Content(text, html, _noise(size.value) if size.value else None)


def _noise(octets: int) -> bytes:
    state, blocks = 0x2545F491, bytearray()
    while len(blocks) < min(octets, 65_521):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
        blocks.append(state >> 16 & 0xFF)
    return bytes((blocks * (octets // len(blocks) + 1))[:octets])
