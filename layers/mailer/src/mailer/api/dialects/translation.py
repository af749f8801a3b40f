"""Translate a request of another API into our request, and pointers of problems back into the caller's request.

A translation only rewrites names and shapes. The parser of our own requests checks the result, and its problems get
the pointers of the caller's request.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from mailer.api.body import Body, field_names
from mailer.errors import MailerError
from mailer.input.inspection import Inspection, member_pointer
from mailer.problem import Problem


class Translation:
    """Our request while it is written; `inspection` collects problems with options that our request does not have."""

    def __init__(self) -> None:
        self.value: dict[str, object] = {}
        self.inspection = Inspection()
        self._places: dict[str, str] = {}

    def put(self, name: str, value: object, place: str) -> None:
        """Write one field; `place` is the value's pointer in the caller's request. A null value counts as absent."""
        if value is not None:
            self.value[name] = value
            self.map_pointer(f"/{name}", place)

    def map_pointer(self, pointer: str, place: str) -> None:
        """Record that `pointer` in our request stands for `place` in the caller's request."""
        self._places[pointer] = place

    def copy_fields(self, members: Mapping[str, object], names: Mapping[str, str], place: str) -> None:
        """Copy the fields that differ only in their name; `names` maps their names to ours."""
        for theirs, ours in names.items():
            self.put(ours, members.get(theirs), member_pointer(place, theirs))

    def members(
        self, value: object, place: str, body: type[Body], refused: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, object]:
        """Return the members of a body and report all others; `refused` has the remedy for each refused option."""
        if isinstance(value, dict):
            for name in value:
                if name in refused and value[name] is not None:
                    self.inspection.report(member_pointer(place, name), "option-not-supported", refused[name])
            value = {name: member for name, member in value.items() if name not in refused}
        return dict(self.inspection.members(value, place, field_names(body)))

    def demand(self, members: Mapping[str, object], name: str, value: object, place: str, remedy: str) -> None:
        """Report the option unless it has this value, the only one that we support."""
        found = members.get(name, value)
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            self.inspection.report(member_pointer(place, name), "option-not-supported", remedy)

    @contextmanager
    def translated_problems(self) -> Iterator[None]:
        """Translate the pointers of the problems that the block raises."""
        try:
            yield
        except MailerError as error:
            raise error.with_problems(tuple(dict.fromkeys(map(self._translated, error.problems)))) from error

    def _translated(self, problem: Problem) -> Problem:
        if problem.pointer is None:
            return problem
        return Problem(problem.code, problem.detail, entry=problem.entry, pointer=self.place(problem.pointer))

    def place(self, pointer: str) -> str:
        """Return the caller's pointer for a pointer of our request; the longest recorded prefix decides."""
        rest = ""
        head = pointer
        while head:
            if (place := self._places.get(head)) is not None:
                return place + rest
            head, _, last = head.rpartition("/")
            rest = f"/{last}{rest}"
        return self._places.get("", "") + rest
