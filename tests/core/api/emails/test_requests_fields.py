"""The optional fields of a request: templates, values, tags, providers and names."""

import json

import pytest
from mailer.api.emails.request import parse_email_request
from mailer.errors import InvalidRequest
from mailer.message.draft import TemplateUse
from mailer.service.sending.accept_emails import EmailRequest

MESSAGE: dict[str, object] = {"to": "ann@example.net", "subject": "s", "text": "t"}


def parse(**members: object) -> EmailRequest:
    return parse_email_request(json.dumps({**MESSAGE, **members}))


def problems(**members: object) -> list[tuple[str | None, str]]:
    with pytest.raises(InvalidRequest) as refused:
        parse(**members)
    return [(problem.pointer, problem.code) for problem in refused.value.problems]


def test_a_request_without_a_template_and_values_uses_none() -> None:
    assert parse().use is None
    assert parse(template=None, template_data=None).use is None


def test_values_are_known_by_their_paths() -> None:
    assert parse(template="t", template_data={"a": {"b": 1}}).use == TemplateUse("t", {"a.b": "1"})
    assert parse(template="t").use == TemplateUse("t", {})
    assert parse(template_data={}).use == TemplateUse(None, {})


def test_with_a_template_fields_may_be_left_out() -> None:
    draft = parse(template="t", subject=None, text=None).draft

    assert (draft.subject, draft.text, draft.html) == ("", None, None)
    assert parse(template="t", text="").draft.text == ""


def test_values_alone_replace_no_field() -> None:
    assert problems(template_data={}, subject=None, text=None) == [("/subject", "required"), ("/text", "required")]


@pytest.mark.parametrize("value", [1, [], {}, True])
def test_a_template_is_named_by_a_string(value: object) -> None:
    assert ("/template", "wrong-type") in problems(template=value)


@pytest.mark.parametrize("value", ["x", [], [{"a": 1}], 1])
def test_values_are_an_object(value: object) -> None:
    assert problems(template_data=value) == [("/template_data", "wrong-type")]


def test_tags_are_names_with_and_without_values() -> None:
    tags = parse(tags=["weekly", {"name": "order", "value": "4711 é"}, {"name": "a-_9"}]).draft.tags

    assert tags == (("weekly", ""), ("order", "4711 é"), ("a-_9", ""))


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("weekly", ("/tags", "wrong-type")),
        ({"a": "b"}, ("/tags", "wrong-type")),
        (["t"] * 21, ("/tags", "too-many-tags")),
        ([1], ("/tags/0", "wrong-type")),
        ([None], ("/tags/0", "required")),
        ([{"value": "x"}], ("/tags/0/name", "required")),
        ([{"name": 1}], ("/tags/0/name", "wrong-type")),
        ([{"name": "a", "key": "b"}], ("/tags/0/key", "unknown-field")),
        (["a b"], ("/tags/0", "name-malformed")),
        (["a:b"], ("/tags/0", "name-malformed")),
        (["é"], ("/tags/0", "name-malformed")),
        (["a\n"], ("/tags/0", "name-malformed")),
        ([""], ("/tags/0", "name-malformed")),
        (["x" * 65], ("/tags/0", "name-malformed")),
        ([{"name": "a", "value": 1}], ("/tags/0/value", "wrong-type")),
        ([{"name": "a", "value": "x\r\nBcc: y"}], ("/tags/0/value", "control-character")),
        ([{"name": "a", "value": "\u202e"}], ("/tags/0/value", "control-character")),
        ([{"name": "a", "value": "x" * 257}], ("/tags/0/value", "too-long")),
        ([{"name": "a", "value": " "}], ("/tags/0/value", "blank")),
        (["a", {"name": "a", "value": "b"}], ("/tags/1", "duplicate-tag")),
    ],
)
def test_a_malformed_tag_is_refused(tags: object, problem: tuple[str, str]) -> None:
    assert problems(tags=tags) == [problem]


def test_a_provider_is_named_by_its_id() -> None:
    assert parse(preferred_provider="main").draft.preferred_provider == "main"
    assert problems(preferred_provider=1) == [("/preferred_provider", "wrong-type")]
    assert problems(preferred_provider="x" * 65) == [("/preferred_provider", "too-long")]
    assert problems(preferred_provider="a\nb") == [("/preferred_provider", "control-character")]


def test_D11_a_name_alone_names_the_default_sender() -> None:
    draft = parse(**{"from": {"name": "Ada"}}).draft

    assert (draft.sender, draft.sender_name) == (None, "Ada")


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        ({"name": "a\nBcc: b"}, "/from/name", "control-character"),
        ({"name": 1}, "/from/name", "wrong-type"),
        ({"name": "Ada", "mail": "a@b.example"}, "/from/mail", "unknown-field"),
        ({}, "/from/email", "required"),
        ([{"name": "Ada"}], "/from/0/email", "required"),
    ],
)
def test_a_malformed_sender_is_refused(value: object, pointer: str, code: str) -> None:
    assert problems(**{"from": value}) == [(pointer, code)]


def test_D11_a_reply_to_name_alone_is_refused() -> None:
    assert problems(reply_to={"name": "Ada"}) == [("/reply_to/email", "required")]
