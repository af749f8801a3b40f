"""Find characters that a reader cannot see: format characters, fillers, blanks and reserved code points.

They are Unicode's Default_Ignorable_Code_Point, which `unicodedata` does not have, and the blanks that look empty.
"""

import unicodedata
from typing import Final

# Separators of lines and paragraphs are invisible in one line of text.
_CATEGORIES: Final = frozenset(("Cf", "Zl", "Zp"))
_WORDS: Final = (
    "FILLER", "VARIATION SELECTOR", "GRAPHEME JOINER", "VOWEL INHERENT", "PATTERN BLANK", "NULL NOTEHEAD",
)  # fmt: skip
# Unicode reserves these ranges for invisible characters, so they have no name and no category yet.
_RESERVED: Final = (range(0x2065, 0x2066), range(0xFFF0, 0xFFF9), range(0xE0000, 0xE1000))


def is_invisible(character: str) -> bool:
    """Tell whether the character has no visible form; white space and control characters are not counted."""
    if character.isascii():
        return False
    if unicodedata.category(character) in _CATEGORIES or any(ord(character) in each for each in _RESERVED):
        return True
    name = unicodedata.name(character, "")
    return any(word in name for word in _WORDS)


def has_invisible(text: str) -> bool:
    """Tell whether the text has an invisible character."""
    return not text.isascii() and any(map(is_invisible, text))


def without_invisible(text: str) -> str:
    """Return the text without its invisible characters."""
    return text if text.isascii() else "".join(each for each in text if not is_invisible(each))
