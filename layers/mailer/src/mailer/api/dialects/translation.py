"""A request of another API in the words of ours, and the way back for what is wrong with it.

A translation rewrites names and shapes and judges nothing that the reader of our own requests judges: what it writes is
read like any other request. A problem found there is told with the pointer to where the caller wrote the part.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mailer.errors import MailerError
from mailer.input.inspection import Inspection, member_pointer
from mailer.problem import Problem


class Translation:
    """Our request as it is being written; `inspection` collects what our request has no words for."""

    def __init__(self) -> None:
        self.value: dict[str, object] = {}
        self.inspection = Inspection()
        self._places: dict[str, str] = {}

    def put(self, name: str, value: object, place: str) -> None:
        """Write one field, whose value stood at this place; null is absent."""
        if value is not None:
            self.value[name] = value
            self.stood(f"/{name}", place)

    def stood(self, pointer: str, place: str) -> None:
        """Note that what is at a pointer in our request stood at this place in the caller's."""
        self._places[pointer] = place

    def copied(self, members: Mapping[str, object], names: Mapping[str, str], place: str) -> None:
        """Write the fields that are only named differently: theirs by ours."""
        for theirs, ours in names.items():
            self.put(ours, members.get(theirs), member_pointer(place, theirs))

    def members(
        self, value: object, place: str, known: tuple[str, ...], refused: Mapping[str, str]
    ) -> dict[str, object]:
        """Return the known members of an object, and report the others: `refused` says why, by name."""
        if isinstance(value, dict):
            for name in value:
                if name in refused and value[name] is not None:
                    self.inspection.report(member_pointer(place, name), "option-not-supported", refused[name])
            value = {name: member for name, member in value.items() if name not in refused}
        return dict(self.inspection.members(value, place, known))

    @contextmanager
    def retold(self) -> Iterator[None]:
        """Tell the problems of our request, where the block raises them, at the places in the caller's."""
        try:
            yield
        except MailerError as error:
            raise error.with_problems(tuple(dict.fromkeys(map(self._retold, error.problems)))) from error

    def _retold(self, problem: Problem) -> Problem:
        if problem.pointer is None:
            return problem
        return Problem(problem.code, problem.detail, entry=problem.entry, pointer=self.place(problem.pointer))

    def place(self, pointer: str) -> str:
        """Return where the part that our pointer names stood; the longest part of it that is known decides."""
        rest = ""
        head = pointer
        while head:
            if (place := self._places.get(head)) is not None:
                return place + rest
            head, _, last = head.rpartition("/")
            rest = f"/{last}{rest}"
        return self._places.get("", "") + rest
