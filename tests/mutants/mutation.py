"""A named way to break the product, and the instrument that must detect it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAILER = "layers/mailer/src/mailer"


@dataclass(frozen=True)
class Catcher:
    """A command that passes on the product, and must fail on the broken product."""

    arguments: tuple[str, ...]


def chaos(seed: int = 2, events: int = 600, *, harsh: bool = False) -> Catcher:
    """Return a chaos run; in a harsh one many more workers stop."""
    options = ("--harsh",) if harsh else ()
    return Catcher(("-m", "tests.chaos", *options, "--events", str(events), str(seed)))


def tests(*paths: str) -> Catcher:
    """Return a run of test files."""
    return Catcher(("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--show-capture=no", *paths))


@dataclass(frozen=True)
class Mutation:
    """One change of a source file: `text` must occur in it exactly once.

    `name` says what the broken product does.
    """

    name: str
    file: str
    text: str
    replacement: str
    caught_by: Catcher

    def count(self, root: Path = ROOT) -> int:
        """Return how often the text occurs in the file; 0 if there is no such file."""
        path = root / self.file
        return path.read_text(encoding="utf-8").count(self.text) if path.is_file() else 0

    def apply(self, root: Path) -> None:
        """Break the copy of the tree below `root`."""
        path = root / self.file
        broken = path.read_text(encoding="utf-8").replace(self.text, self.replacement)
        # The file may be a hard link to the file of another copy.
        path.unlink()
        path.write_text(broken, encoding="utf-8")
