"""A walk over decoded JSON that goes on after a problem, so that a caller learns of all of them at once.

Everything read here is hostile. A problem names a place by its JSON pointer (RFC 6901) and states the remedy; it never
quotes a value.
"""

from collections.abc import Collection, Mapping

from mailer.errors import InvalidRequest
from mailer.message.address import FORBIDDEN
from mailer.problem import Problem

MAX_PROBLEMS = 100
_MAX_NAME_SHOWN = 64


class Inspection:
    """Collects problems; readers return None for what has one, and for what is absent."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self.place = ""

    def at(self, pointer: str) -> "Inspection":
        """Return an inspection of a part of the value: its pointers begin there, its problems are collected here."""
        part = Inspection()
        part._problems = self._problems
        part.place = self.place + pointer
        return part

    def report(self, pointer: str, code: str, detail: str) -> None:
        """Note a problem; after a hundred, further ones help nobody."""
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(code, detail, pointer=self.place + pointer))

    def finish(self) -> None:
        """Raise `InvalidRequest` with every problem, in the order of reading, if there is one."""
        if self._problems:
            raise InvalidRequest(*self._problems)

    def members(self, value: object, pointer: str, known: Collection[str]) -> Mapping[str, object]:
        """Return the known members of an object, null ones left out, and report the others."""
        if not isinstance(value, dict):
            self.report(pointer, "wrong-type", "Give an object.")
            return {}
        found: dict[str, object] = {}
        for name, member in value.items():
            if name not in known:
                self.report(
                    member_pointer(pointer, name), "unknown-field", f"Remove the field; known are: {', '.join(known)}."
                )
            elif member is not None:
                found[name] = member
        return found

    def text(self, value: object, pointer: str, *, maximum: int) -> str | None:
        """Return a text of one line, as it is: not blank, no controls, not too long."""
        if not isinstance(value, str):
            self.report(pointer, "wrong-type", "Give a string.")
        elif len(value) > maximum:
            self.report(pointer, "too-long", f"Give at most {maximum} characters.")
        elif FORBIDDEN.search(value):
            self.report(pointer, "control-character", "Remove line breaks, control and bidirectional characters.")
        elif not value.strip():
            self.report(pointer, "blank", "Give at least one character that is not a space.")
        else:
            return value
        return None


def member_pointer(parent: str, name: object) -> str:
    """Return the pointer to a member; one whose name is too strange to repeat is named by its parent."""
    if not isinstance(name, str) or len(name) > _MAX_NAME_SHOWN or not name.isprintable():
        return parent
    return f"{parent}/{name.replace('~', '~0').replace('/', '~1')}"
