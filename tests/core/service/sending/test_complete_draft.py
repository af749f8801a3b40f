"""Drafts with templates: fields of the request replace fields of the template."""

from copy import replace

import pytest
from mailer.errors import InvalidRequest, TemplateNotFound
from mailer.message.address import parse_mailbox
from mailer.message.draft import MAX_SUBJECT, Attachment, Draft, TemplateUse
from mailer.service.sending.complete_draft import complete_draft
from mailer.template.template import StoredTemplate, Template, TemplateName, TemplateSummary

ADA, ANN, BOB = map(parse_mailbox, ("ada@example.net", "Ann <ann@acme.example>", "bob@acme.example"))
BARE = Draft(to=(ADA,), subject="")
TEMPLATE = Template(
    subject="Hi {name}",
    text="Hi {name} from {company}",
    html="<p>{name}</p>",
    sender=ANN,
    reply_to=(BOB,),
    defaults={"company": "Acme", "user": {"first": "you", "last": "all"}},
)


def completed(draft: Draft, template: Template = TEMPLATE, **values: str) -> Draft:
    stored = StoredTemplate(TemplateSummary(TemplateName("t"), "1", 0.0), template)
    return complete_draft(
        draft, TemplateUse("t", {"name": "Ada", **values}), find=lambda name: stored if name == "t" else None
    )


def refusal(draft: Draft, template: Template = TEMPLATE, **values: str) -> list[tuple[str, str | None]]:
    with pytest.raises(InvalidRequest) as refused:
        completed(draft, template, **values)
    return [(problem.code, problem.pointer) for problem in refused.value.problems]


def test_without_a_template_and_values_every_brace_is_literal() -> None:
    draft = replace(BARE, subject="{name}", text="{name} {{name}}")

    assert complete_draft(draft, None, find=lambda _name: None) is draft


def test_values_alone_complete_a_message() -> None:
    draft = replace(BARE, subject="{a}", text="{a}", html="{a}")

    filled = complete_draft(draft, TemplateUse(None, {"a": "<b>"}), find=lambda _name: None)

    assert (filled.subject, filled.text, filled.html) == ("<b>", "<b>", "&lt;b&gt;")


def test_the_template_supplies_fields_missing_from_the_request() -> None:
    draft = completed(BARE)

    assert (draft.subject, draft.text, draft.html) == ("Hi Ada", "Hi Ada from Acme", "<p>Ada</p>")
    assert (draft.sender, draft.reply_to) == (ANN, (BOB,))


def test_D11_fields_of_the_request_override_the_template() -> None:
    given = replace(BARE, subject="Dear {name}", text="{name}!", html="<b>{name}</b>", sender=BOB, reply_to=(ANN, ADA))

    draft = completed(given)

    assert (draft.subject, draft.text, draft.html) == ("Dear Ada", "Ada!", "<b>Ada</b>")
    assert (draft.sender, draft.reply_to) == (BOB, (ANN, ADA))


def test_an_empty_body_removes_the_template_s_body() -> None:
    assert completed(replace(BARE, html="")).html is None
    assert refusal(replace(BARE, html="", text="")) == [("required", "/text")]


def test_D13_values_of_the_request_override_defaults_by_path() -> None:
    template = replace(TEMPLATE, text="{user.first} {user.last} {company}")

    assert completed(BARE, template, **{"user.first": "Ada", "company": "Fish"}).text == "Ada all Fish"


def test_a_name_alone_replaces_the_name_of_the_template_s_sender() -> None:
    assert completed(replace(BARE, sender_name="Zoe")).sender == parse_mailbox("Zoe <ann@acme.example>")


def test_D6_a_template_may_change_the_name_of_the_default_sender() -> None:
    template = replace(TEMPLATE, sender=None, sender_name="Support")

    assert (completed(BARE, template).sender, completed(BARE, template).sender_name) == (None, "Support")
    assert completed(replace(BARE, sender_name="Zoe"), template).sender_name == "Zoe"
    assert completed(replace(BARE, sender=BOB), template).sender == BOB


@pytest.mark.parametrize("name", ["u", "T", "", "..", "a/b", "x" * 65])
def test_TI7_a_missing_template_is_reported_with_its_pointer(name: str) -> None:
    with pytest.raises(TemplateNotFound) as missing:
        complete_draft(
            BARE, TemplateUse(name, {}, "/3"), find=lambda found: pytest.fail(found) if found == "t" else None
        )

    assert [problem.pointer for problem in missing.value.problems] == ["/3/template"]


def test_all_problems_are_reported_with_their_pointers() -> None:
    draft = replace(BARE, subject="{a}", text="{b}", html="<a {c}>")

    with pytest.raises(InvalidRequest) as refused:
        complete_draft(draft, TemplateUse(None, {"a": "x\ny"}, "/0"), find=lambda _name: None)

    assert [(problem.code, problem.pointer) for problem in refused.value.problems] == [
        ("control-character", "/0/template_data/a"),
        ("value-missing", "/0/template_data/b"),
        ("placeholder-misplaced", "/0/html"),
        ("value-missing", "/0/template_data/c"),
    ]


def test_a_message_without_subject_or_body_is_refused() -> None:
    assert refusal(BARE, Template()) == [("required", "/subject"), ("required", "/text")]
    assert refusal(BARE, replace(TEMPLATE, subject="{name}"), name=" ") == [("blank", "/subject")]
    assert refusal(BARE, replace(TEMPLATE, text="{name}", html=None), name="") == [("required", "/text")]


def test_the_subject_limit_applies_after_values_are_inserted() -> None:
    template = replace(TEMPLATE, subject="{name}")

    assert len(completed(BARE, template, name="x" * MAX_SUBJECT).subject) == MAX_SUBJECT
    assert refusal(BARE, template, name="x" * (MAX_SUBJECT + 1)) == [("too-long", "/subject")]


def test_an_image_needs_the_html_that_shows_it() -> None:
    draft = replace(BARE, attachments=(Attachment("a.png", b"x", "image/png", "logo"),))

    assert completed(draft).attachments == draft.attachments
    assert refusal(draft, replace(TEMPLATE, html=None)) == [("html-required", "/attachments/0/content_id")]
