"""`fill` builds an answer from values and members."""

import pytest
from mailer.api.body import fill
from mailer.api.places import ProblemPlace
from mailer.api.verdicts import RefusedRecipient
from mailer.problem import Problem

PROBLEM = Problem("required", "Give it.", pointer="/to")


def test_attributes_with_the_same_name_are_taken() -> None:
    assert fill(ProblemPlace, PROBLEM) == ProblemPlace(code="required", detail="Give it.", pointer="/to")


def test_a_named_member_comes_before_an_attribute() -> None:
    assert fill(ProblemPlace, PROBLEM, detail="Name it.").detail == "Name it."


def test_none_leaves_out_a_member_with_a_default() -> None:
    assert fill(ProblemPlace, PROBLEM, pointer=None) == ProblemPlace(code="required", detail="Give it.")


def test_the_attributes_of_none_are_null() -> None:
    filled = fill(RefusedRecipient, None, recipient="a@b.example", detail="timeout")

    assert filled == RefusedRecipient(recipient="a@b.example", code=None, enhanced_code=None, detail="timeout")


def test_a_member_that_no_value_has_is_missing() -> None:
    with pytest.raises(TypeError, match="code"):
        fill(ProblemPlace, detail="Give it.")
