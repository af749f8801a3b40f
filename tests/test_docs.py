"""The documents agree with the code: codes, statuses, states, parameters and paths of files."""

import re
from pathlib import Path

from mailer.api.problems import STATUS
from mailer.ledger.record import State
from mailer.service.configuring.show_configuration import ConfigurationState
from mailer.service.configuring.validation_report import CheckName

ROOT = Path(__file__).parents[1]


def document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_problem_code_is_documented_with_its_status() -> None:
    documented = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", document("docs/problems.md"), re.MULTILINE))

    assert documented == {**{code: str(int(status)) for code, status in STATUS.items()}, "internal-error": "500"}


def test_every_state_and_check_is_documented() -> None:
    api = document("docs/api.md")

    assert all(f"| `{state.value}` |" in api for state in ConfigurationState)
    assert all(f"`{name.value}`" in api for name in CheckName)


def test_every_status_of_a_message_is_documented() -> None:
    api = document("docs/api.md")

    # A worker's claim is shown as `sending`.
    assert [state for state in State if f"| `{state.value}` |" not in api] == [State.CLAIMED]


def test_every_path_that_a_document_names_exists() -> None:
    names = ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    for name in names:
        for target in re.findall(r"\]\(([^)#]+)\)|`((?:tests|docs|events|functions)/[\w./]+\.\w+)`", document(name)):
            path = target[0] or target[1]
            base = ROOT / name if target[0] else ROOT / "README.md"
            assert (base.parent / path).exists(), f"{name} names {path}"


def test_every_path_in_the_contributors_guide_exists() -> None:
    guide = document("CONTRIBUTING.md")
    targets = re.findall(r"\]\((?!https)([^)#]+)\)", guide)
    folders = r"\.ci|cli|docs|events|functions|layers|local|mailer|tests|tools"
    spans = re.findall(rf"`((?:{folders})/[^`\s]*|[\w.-]+\.(?:md|yaml))`", guide)
    paths = [path for path in (*targets, *spans) if "<" not in path]

    assert paths
    assert [path for path in paths if not (ROOT / re.sub("^mailer/", "layers/mailer/src/mailer/", path)).exists()] == []


def test_every_parameter_of_the_template_is_documented() -> None:
    template = document("template.yaml")
    parameters = re.findall(r"^  ([A-Z]\w+):$", template[: template.index("\nConditions:")], re.MULTILINE)

    operations = document("docs/operations.md")
    assert parameters
    assert [name for name in parameters if f"`{name}`" not in operations] == []


_NODE_LOCKS = ("benchmarks/package-lock.json", "tests/seeds/clients/package-lock.json")


def test_the_locks_have_hashes_and_no_addresses() -> None:
    for lock in (*ROOT.glob("requirements*.lock"), *map(ROOT.joinpath, _NODE_LOCKS)):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, lock.name
        assert "sha" in text, lock.name
