"""The place, the code and the remedy of a problem as API callers see them."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body, fill
from mailer.problem import Problem


class ProblemPlace(Body, frozen=True, kw_only=True):
    """One problem of a request or a configuration: its place, its code and what to do."""

    code: str
    detail: Annotated[str, Meta(description="What to do.")]
    entry: Annotated[str, Meta(description="The entry of the project's secret.")] | UnsetType = UNSET
    pointer: Annotated[str, Meta(description="The place in the body, as a JSON pointer.")] | UnsetType = UNSET
    parameter: Annotated[str, Meta(description="The query parameter.")] | UnsetType = UNSET


def problem_views(problems: Iterable[Problem]) -> tuple[ProblemPlace, ...]:
    """Show problems in their order."""
    return tuple(fill(ProblemPlace, problem) for problem in problems)
