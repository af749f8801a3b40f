"""The command line `project-smtp`, run in this process."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from project_smtp_cli.__main__ import main


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, and its exit code."""

    exit_code: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        """Return the one JSON value of standard output."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(slots=True)
class CommandLine:
    """A shell with its own environment; its clock moves only while a command waits."""

    environment: Mapping[str, str]
    is_terminal: bool = False
    typed_password: str = ""
    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def run(self, *arguments: str, stdin: str = "") -> Ended:
        """Run one command to its end."""
        out, err = (Terminal(), Terminal()) if self.is_terminal else (io.StringIO(), io.StringIO())
        try:
            code = main(
                arguments,
                environment=self.environment,
                stdin=io.StringIO(stdin),
                out=out,
                err=err,
                ask_password=lambda _: self.typed_password,
                clock=lambda: self.now,
                pause=self._pause,
            )
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        return Ended(code, out.getvalue(), err.getvalue())

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
