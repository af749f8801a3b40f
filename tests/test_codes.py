"""tests/README.md explains every code at the start of a test's name or of a parameter's id."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
SEEDS = (ROOT / "docs" / "seeds.md").read_text(encoding="utf-8")

_FAMILY = re.compile(r"^\| ([A-Z]{1,2}) \| ", re.MULTILINE)
_ROW = re.compile(r"^\| ([A-Z]{1,2}[0-9]+) \| ", re.MULTILINE)
_CODES_OF_NAME = re.compile(r"def test_((?:[A-Za-z]{1,2}[0-9]{1,2}_)+)")
_CODE_OF_ID = re.compile(r'id=f?"([A-Z]{1,2}[0-9]+)[ "-]')


def families() -> set[str]:
    return set(_FAMILY.findall(README))


def used_codes() -> set[str]:
    """Return the codes in the names of tests and ids. A code in lower case counts only if its family is known."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")]
    named = {code for text in texts for codes in _CODES_OF_NAME.findall(text) for code in codes.strip("_").split("_")}
    codes = {code.upper() for code in named if code.isupper() or family_of(code.upper()) in families()}
    return codes | {code for text in texts for code in _CODE_OF_ID.findall(text)}


def family_of(code: str) -> str:
    return code.rstrip("0123456789")


def explained_codes() -> list[str]:
    return _ROW.findall(README) + _ROW.findall(SEEDS)


def test_every_code_is_explained_once() -> None:
    assert sorted(explained_codes()) == sorted(set(explained_codes()))


def test_every_code_of_a_test_is_explained_and_every_explained_code_is_used() -> None:
    assert used_codes() == set(explained_codes())


def test_every_code_has_a_family_and_every_family_has_codes() -> None:
    assert families() == {family_of(code) for code in explained_codes()}
