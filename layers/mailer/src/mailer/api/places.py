"""The place, the code and the remedy of a problem as API callers see them."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body
from mailer.problem import Problem


class ProblemPlace(Body, frozen=True, kw_only=True):
    """One thing that is wrong: where, which rule, and what to do."""

    code: str
    detail: Annotated[str, Meta(description="What to do.")]
    entry: Annotated[str, Meta(description="The entry of the project's secret.")] | UnsetType = UNSET
    pointer: Annotated[str, Meta(description="The place in the body, as a JSON pointer.")] | UnsetType = UNSET
    parameter: Annotated[str, Meta(description="The query parameter.")] | UnsetType = UNSET


def problem_views(problems: Iterable[Problem]) -> tuple[ProblemPlace, ...]:
    """Show problems in their order."""
    return tuple(
        ProblemPlace(
            code=problem.code,
            detail=problem.detail,
            entry=UNSET if problem.entry is None else problem.entry,
            pointer=UNSET if problem.pointer is None else problem.pointer,
            parameter=UNSET if problem.parameter is None else problem.parameter,
        )
        for problem in problems
    )
