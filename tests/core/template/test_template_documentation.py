"""The examples in docs/templates.md are true."""

import json
import re
from pathlib import Path

import pytest
from mailer.api.emails.request import parse_email_request
from mailer.api.templates.requests import parse_template
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.service.sending.complete_draft import complete_draft
from mailer.template.placeholder import MAX_DEPTH, MAX_NAME, MAX_OUTPUT, MAX_VALUES, Filling, read_values
from mailer.template.template import MAX_TEMPLATE, StoredTemplate, TemplateName, TemplateSummary

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
WRITTEN = re.findall(r"^\| `(.+)` \| `(\{.*\})` \| `(.+)` \|$", PAGE, re.MULTILINE)
IN_HTML = re.findall(r"^\| `(<.+>)` \| `(.+)` \| (?:`(.+)`|refused: `([a-z-]+)`) \|$", PAGE, re.MULTILINE)


def test_all_examples_are_found() -> None:
    assert (len(BLOCKS), len(WRITTEN), len(IN_HTML)) == (5, 8, 8)


@pytest.mark.parametrize(("text", "data", "result"), WRITTEN)
def test_each_example_gives_the_documented_text(text: str, data: str, result: str) -> None:
    inspection = Inspection()
    filling = Filling(read_values(json.loads(data), "", inspection), inspection)

    assert (filling.text(text), filling.subject(text)) == (result, result)
    inspection.finish()


@pytest.mark.parametrize(("html", "value", "result", "code"), IN_HTML)
def test_each_html_example_gives_the_documented_html(html: str, value: str, result: str, code: str) -> None:
    inspection = Inspection()

    filled = Filling({"x": value}, inspection).html(html)

    if code:
        with pytest.raises(InvalidRequest) as refused:
            inspection.finish()
        assert [problem.code for problem in refused.value.problems] == [code]
    else:
        inspection.finish()
        assert filled == result


def test_the_first_message_is_sent_as_documented() -> None:
    request = parse_email_request(BLOCKS[0])

    draft = complete_draft(request.draft, request.use, find=lambda _name: None)

    assert {"subject": draft.subject, "html": draft.html} == json.loads(BLOCKS[1])


def test_the_message_of_the_stored_template_is_sent_as_documented() -> None:
    template, request = parse_template(BLOCKS[2]), parse_email_request(BLOCKS[3])
    stored = StoredTemplate(TemplateSummary(TemplateName("welcome"), "1", 0.0), template)

    draft = complete_draft(request.draft, request.use, find=lambda name: stored if name == "welcome" else None)

    assert {"subject": draft.subject, "text": draft.text, "html": draft.html} == json.loads(BLOCKS[4])
    assert (draft.sender_name, [str(mailbox) for mailbox in draft.reply_to]) == ("Acme Support", ["help@acme.example"])


def test_the_documented_limits_are_true() -> None:
    assert (MAX_DEPTH, MAX_VALUES, MAX_NAME, MAX_OUTPUT, MAX_TEMPLATE) == (5, 500, 64, 1024**2, 300 * 1024)
