"""Output: tables, lines and progress bars for people, or one JSON value for programs.

The answer goes to standard output, everything else to standard error. Colour is used only on a terminal, and not if
NO_COLOR is set.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Final

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from project_smtp_cli.answers import Problem
from project_smtp_cli.values import Document, clean

_WIDTH: Final = 120
_COLOURS: Final = {
    **dict.fromkeys(("verified", "passed", "sent", "ok", "moved", "stored", "queued"), "green"),
    **dict.fromkeys(("failed", "invalid", "rejected", "expired", "refused", "not stored"), "red"),
    **dict.fromkeys(("unverified", "unavailable", "deferred", "held", "unknown", "warning", "note"), "yellow"),
    **dict.fromkeys(("partially_sent", "set aside", "skipped"), "yellow"),
}


class Screen:
    """Standard output and standard error, for people or for a program."""

    def __init__(self, out: IO[str], err: IO[str], *, is_json: bool, environment: Mapping[str, str]) -> None:
        self._streams = out, err
        self._environment = environment
        self._out = _console(out, environment)
        self._err = _console(err, environment)
        self._is_json = is_json

    def aside(self) -> "Screen":
        """Return a screen that writes to standard error, for the details of an error."""
        _, err = self._streams
        return Screen(err, err, is_json=self._is_json, environment=self._environment)

    def line(self, content: str) -> None:
        """Print one line of the answer."""
        self._out.print(_cell(content), soft_wrap=True)

    def fields(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print names and values, without those that are empty."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, style="bold")
        grid.add_column(overflow="fold")
        for name, value in rows:
            if value:
                grid.add_row(clean(name), _cell(value))
        self._out.print(grid)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, unless it has no rows."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for name in columns:
            # A line break in an id prevents copying, and a line break in a time is hard to read.
            table.add_column(name, overflow="fold", no_wrap=name == "id" or "(UTC)" in name)
        for row in rows:
            table.add_row(*map(_cell, row))
        if table.row_count:
            self._out.print(table)

    def problems(self, problems: Iterable[Problem], heading: str = "entry") -> None:
        """Print problems or warnings, each with its place and remedy."""
        rows = [(problem.place, problem.code, problem.detail) for problem in problems]
        self.table((heading, "code", "what to do"), rows)

    def note(self, content: str) -> None:
        """Print a remark on standard error, unless the output is JSON."""
        if not self._is_json:
            self._err.print(_cell(content), soft_wrap=True)

    def error(self, content: str) -> None:
        """Print an error."""
        self._err.print(Text.assemble(("error: ", "red"), clean(content)), soft_wrap=True)

    def document(self, document: Document) -> None:
        """Print the one JSON value."""
        self._out.file.write(json.dumps(document, indent=2) + "\n")

    @contextlib.contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Callable[[], None]]:
        """Show a bar while the block runs; the yielded function advances it by one."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        is_seen = self._err.is_terminal and not self._is_json
        with Progress(*columns, console=self._err, transient=True, disable=not is_seen) as bar:
            task = bar.add_task(label, total=total)
            yield lambda: bar.advance(task)


def _console(stream: IO[str], environment: Mapping[str, str]) -> Console:
    is_terminal = stream.isatty()
    is_coloured = is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    columns = environment.get("COLUMNS", "")
    width = int(columns) if columns.isascii() and columns.isdigit() and 0 < int(columns) <= _WIDTH * 10 else None
    return Console(
        file=stream,
        force_terminal=is_terminal,
        color_system="auto" if is_coloured else None,
        width=width if is_terminal else width or _WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )


def _cell(content: str) -> Text:
    shown = clean(content)
    return Text(shown, style=_COLOURS.get(shown, ""))
