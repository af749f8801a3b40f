"""The context that every command gets, and the result that it returns."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from project_smtp_cli.access import Service, find_project, find_service
from project_smtp_cli.api import Api
from project_smtp_cli.exits import Exit, UsageError
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document

STDIN: Final = "-"
MAX_FILE: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Context:
    """Environment, input and output of a command."""

    environment: Mapping[str, str]
    stdin: IO[str]
    screen: Screen
    ask_password: Callable[[str], str]
    clock: Callable[[], float]
    pause: Callable[[float], None]

    def service(self, arguments: argparse.Namespace) -> Service:
        """Return the service of the command line."""
        return find_service(arguments.url, arguments.token_file, self.environment)

    def api(self, arguments: argparse.Namespace) -> Api:
        """Return the API of the project that the command line names."""
        service = self.service(arguments)
        return Api(service, find_project(arguments.project, service, self.environment))

    def read_text(self, path: str) -> str:
        """Return the text of a file, or of standard input for `-`."""
        try:
            text = self.stdin.read(MAX_FILE + 1) if path == STDIN else Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or 'cannot be read'}.") from None
        except UnicodeError:
            raise UsageError(f"{path}: the file is not UTF-8.") from None
        if len(text) > MAX_FILE:
            raise UsageError(f"{path}: the file is larger than 16 MB.")
        return text

    def read_octets(self, path: str) -> bytes:
        """Return the octets of a file."""
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or 'cannot be read'}.") from None

    def read_object(self, path: str) -> dict[str, object]:
        """Return the JSON object of a file."""
        try:
            value = json.loads(self.read_text(path))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise UsageError(f"{path}: the file is not one JSON object.")
        return value

    def password(self, arguments: argparse.Namespace) -> str | None:
        """Return the password from standard input, a file or a prompt; None if it is not given.

        An argument is not possible, because the list of processes would show it.
        """
        if arguments.password_stdin:
            return self.stdin.readline(MAX_FILE).rstrip("\r\n")
        if arguments.password_file is not None:
            return self.read_text(arguments.password_file).rstrip("\r\n")
        if arguments.ask_password:
            return self.ask_password("The relay's password: ")
        return None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a command: exit code, JSON document, and how to show it."""

    exit_code: Exit
    document: Document
    show: Callable[[Screen], None]
