"""`fill` builds an answer from values and members."""

import msgspec
import pytest
from mailer.api.body import Always, Body, fill
from msgspec import UNSET, UnsetType


class Reply(msgspec.Struct, frozen=True):
    code: int
    text: str | None = None


class Shown(Body, frozen=True, kw_only=True):
    code: int | None
    text: str | UnsetType = UNSET
    final: Always = True


def test_attributes_with_the_same_name_are_taken() -> None:
    assert fill(Shown, Reply(250, "OK")) == Shown(code=250, text="OK")


def test_a_named_member_comes_before_an_attribute() -> None:
    assert fill(Shown, Reply(250, "OK"), text="Accepted") == Shown(code=250, text="Accepted")


def test_none_leaves_out_a_member_with_a_default_and_is_null_elsewhere() -> None:
    assert fill(Shown, None) == Shown(code=None)


def test_a_member_that_no_value_has_is_missing() -> None:
    with pytest.raises(TypeError, match="code"):
        fill(Shown)
