"""The table of mutations fits the source."""

from collections import Counter

import pytest

from tests.mutants.mutation import ROOT, Mutation
from tests.mutants.table import MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_the_text_of_a_mutation_occurs_exactly_once(mutation: Mutation) -> None:
    assert mutation.count() == 1, mutation.file
    assert mutation.text != mutation.replacement


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_the_broken_file_can_be_compiled(mutation: Mutation) -> None:
    if mutation.file.endswith(".py"):
        source = (ROOT / mutation.file).read_text(encoding="utf-8")
        compile(source.replace(mutation.text, mutation.replacement), mutation.file, "exec")


def test_the_table_has_at_least_forty_mutations_of_different_names() -> None:
    names = Counter(each.name for each in MUTATIONS)

    assert len(names) >= 40
    assert max(names.values()) == 1


def test_the_files_of_every_instrument_exist() -> None:
    paths = {part for each in MUTATIONS for part in each.caught_by.arguments if part.startswith("tests/")}

    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
