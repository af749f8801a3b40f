"""Rules of layout and prose that no linter checks."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FUNCTIONS = sorted((ROOT / "functions").glob("*/app.py"))
SOURCES = [
    path
    for folder in ("layers/mailer/src", "functions", "cli/src", "local", "benchmarks", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "node_modules" not in path.parts
]


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.parent.name)
def test_a_function_imports_no_other_function_and_no_adapter(path: Path) -> None:
    assert not any(name.startswith(("functions", "mailer.adapters", "boto")) for name in imported(path))


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.parent.name)
def test_the_last_line_of_a_function_builds_its_handler_from_the_real_ports(path: Path) -> None:
    last = ast.parse(path.read_text(encoding="utf-8")).body[-1]

    assert isinstance(last, ast.Assign)
    assert ast.unparse(last.targets[0]) == "lambda_handler"
    assert ast.unparse(last.value).startswith("create_handler(")


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.parent.name)
def test_a_function_is_thin(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

    assert [node.name for node in defined if (node.end_lineno or 0) - node.lineno >= 40] == []


def test_every_package_of_the_core_must_be_pure() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(each for each in contracts if each.get("exhaustive"))["layers"]
    packages = {package.strip() for layer in layers for package in layer.split("|")}
    pure = next(each for each in contracts if each["name"] == "The core does no I/O")["source_modules"]

    assert set(pure) == {f"mailer.{package}" for package in packages - {"adapters", "wiring"}}


def test_no_file_is_too_long_to_read() -> None:
    assert [str(path.relative_to(ROOT)) for path in SOURCES if len(path.read_text("utf-8").splitlines()) > 400] == []


def test_no_test_patches_or_sleeps() -> None:
    forbidden = ("unittest.mock", "monkeypatch.setattr", "time.sleep(")
    tests = [path for path in SOURCES if path.parts[len(ROOT.parts)] == "tests" and path != Path(__file__)]

    assert [
        f"{path.relative_to(ROOT)}: {word}" for path in tests for word in forbidden if word in path.read_text("utf-8")
    ] == []


# Unclear words and private metaphors; docs/glossary.md has the words to use instead.
PRIVATE_WORDS = re.compile(
    r"(?<![a-z])(?:nobody|whoever|somebody|anybody|everybody|doorkeeper|doctor|roads?)(?![a-z])", re.I
)
TEXTS = [
    *SOURCES,
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "Makefile", "template.yaml", "pyproject.toml", ".ci/run")
    ),
    *(ROOT / "docs").rglob("*.md"),
]


def test_no_text_uses_a_private_word() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{number}: {word[0]}"
        for path in TEXTS
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        for word in PRIVATE_WORDS.finditer(line)
    ] == []
