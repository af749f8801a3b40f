"""Which characters a reader cannot see."""

import sys
import unicodedata

import pytest
from mailer.message.invisible import has_invisible, is_invisible, without_invisible

# Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 15.1.
DEFAULT_IGNORABLE = (
    range(0xAD, 0xAE), range(0x34F, 0x350), range(0x61C, 0x61D), range(0x115F, 0x1161), range(0x17B4, 0x17B6),
    range(0x180B, 0x1810), range(0x200B, 0x2010), range(0x202A, 0x202F), range(0x2060, 0x2070), range(0x3164, 0x3165),
    range(0xFE00, 0xFE10), range(0xFEFF, 0xFF00), range(0xFFA0, 0xFFA1), range(0xFFF0, 0xFFF9),
    range(0x1BCA0, 0x1BCA4), range(0x1D173, 0x1D17B), range(0xE0000, 0xE1000),
)  # fmt: skip


@pytest.mark.parametrize("block", DEFAULT_IGNORABLE, ids=lambda block: f"{block[0]:x}")
def test_each_default_ignorable_code_point_is_invisible(block: range) -> None:
    assert [hex(point) for point in block if not is_invisible(chr(point))] == []


def test_each_format_character_is_invisible() -> None:
    every = map(chr, range(sys.maxunicode + 1))

    assert [each for each in every if unicodedata.category(each) == "Cf" and not is_invisible(each)] == []


def test_letters_digits_marks_and_symbols_are_visible() -> None:
    visible = "aZ0-_. \u00e9\u0301\u0416\u4e2d\uac00\u3131\uffa1\u2764\U0001f600\u2422"

    assert (has_invisible(visible), without_invisible(visible)) == (False, visible)


def test_invisible_characters_are_removed() -> None:
    assert without_invisible("\ufeffsm\u00adtp\u3164Host\u2028") == "smtpHost"
