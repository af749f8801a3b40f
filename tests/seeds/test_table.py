"""docs/seeds.md has every row of every document, and names its tests."""

import ast
import re
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent
_TABLE = _FOLDER.parents[1] / "docs" / "seeds.md"
_ROWS = {
    "medplum": ("M", 18),
    "dreamfactory": ("D", 22),
    "courier": ("C", 13),
    "codestream": ("S", 8),
    "messagepipe": ("P", 8),
}
_IDS = {seed: [f"{letter}{number}" for number in range(1, count + 1)] for seed, (letter, count) in _ROWS.items()}
_LINE = re.compile(r"\| ([MDCSP]\d+) \| (.+?) \| (.+?) \| (.+?) \|\Z")


def proofs_of(seed: str) -> list[str]:
    """The names of a document's tests."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(_FOLDER.glob(f"test_{seed}*.py"))]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if name.startswith("test_")]


def table() -> dict[str, list[str]]:
    """The tests that the table names, by row; a duplicate row fails."""
    rows: dict[str, list[str]] = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if (found := _LINE.match(line)) is not None:
            assert found[1] not in rows, found[1]
            rows[found[1]] = re.findall(r"`(\w+)`", found[4])
    return rows


def test_the_table_has_every_row_in_order() -> None:
    assert list(table()) == [row for rows in _IDS.values() for row in rows]


@pytest.mark.parametrize("seed", _IDS)
def test_every_row_of_a_document_has_a_test(seed: str) -> None:
    assert {name.split("_")[1] for name in proofs_of(seed)} == set(_IDS[seed])


@pytest.mark.parametrize("seed", _IDS)
def test_the_table_names_each_row_s_tests(seed: str) -> None:
    named = {row: names for row, names in table().items() if row in _IDS[seed]}

    assert named == {row: [name for name in proofs_of(seed) if name.startswith(f"test_{row}_")] for row in _IDS[seed]}
