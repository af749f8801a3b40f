"""The entries about the sender."""

import time

import pytest
from mailer.message.address import Address, Mailbox, parse_address
from mailer.secret.configuration import FromPolicy
from mailer.secret.parser import Malformed

from tests.core.secret_texts import configuration, faults, parsed, secret


@pytest.mark.parametrize(
    ("value", "mailbox"),
    [
        ("a@b.example", Mailbox(Address("a", "b.example"))),
        (" a@b.example ", Mailbox(Address("a", "b.example"))),
        ("Acme <a@b.example>", Mailbox(Address("a", "b.example"), "Acme")),
        ('"Acme, Inc." <a@b.example>', Mailbox(Address("a", "b.example"), "Acme, Inc.")),
        ("Bücher <a@bücher.example>", Mailbox(Address("a", "xn--bcher-kva.example"), "Bücher")),
    ],
)
def test_the_default_from_is_one_mailbox(value: str, mailbox: Mailbox) -> None:
    assert configuration(secret(smtpFromAddress=value)).senders.default == mailbox


@pytest.mark.parametrize(
    "value",
    [
        "a@b.example, c@d.example", "team: a@b.example;", '"quoted local"@b.example', "a@[127.0.0.1]", "a",
        "@b.example", "a@b", "Acme a@b.example", "Acme, Inc. <a@b.example>", "<a@b.example> x",
        "a@b.example\nBcc: v@e.example", " ",
    ],
)  # fmt: skip
def test_anything_else_is_not_a_default_from(value: str) -> None:
    ((entry, _),) = faults(secret(smtpFromAddress=value))

    assert entry == "smtpFromAddress"


APPROVED = (Address("a", "b.example"), Address("c", "d.example"))


@pytest.mark.parametrize(
    "value",
    [
        "a@b.example,c@d.example", " a@b.example , c@d.example ", "a@b.example,,c@d.example,",
        ["a@b.example", "c@d.example"], "a@b.example,c@d.example,A@B.EXAMPLE",
        ["a@b.example", "c@d.example", "c@D.example", " "],
    ],
    ids=str,
)  # fmt: skip
def test_approved_senders_have_no_duplicates(value: object) -> None:
    assert configuration(secret(smtpApprovedSenders=value)).senders.approved == APPROVED


@pytest.mark.parametrize("value", ["", " ", ",", " , ,", []])
def test_an_empty_list_approves_no_other_sender(value: object) -> None:
    assert configuration(secret(smtpApprovedSenders=value)).senders.approved == ()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("*", "sender-not-an-address"), ("*@b.example", "sender-not-an-address"),
        ("@b.example", "sender-not-an-address"), ("b.example", "sender-not-an-address"),
        ("a@b.example;c@d.example", "address-malformed"), ("Desk <a@b.example>", "domain-malformed"),
        ("a@*.b.example", "domain-malformed"), ("a@b.example\nc@d.example", "control-character"),
        (["a@b.example", 7], "entry-type"), (None, "entry-type"), ({"a@b.example": ""}, "entry-type"),
        (7, "entry-type"), ("a*@b", "domain-malformed"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_is_not_a_list_of_addresses_is_invalid(value: object, code: str) -> None:
    ((entry, found),) = faults(secret(smtpApprovedSenders=value))

    assert entry == "smtpApprovedSenders"
    assert found in (code, "address-malformed")


def test_malformed_items_are_named_by_their_positions() -> None:
    result = parsed(secret(smtpApprovedSenders="a@b.example, *, c@d.example, @e.example"))

    assert isinstance(result, Malformed)
    assert result.problems[0].detail.startswith("Item 2, 4: ")


@pytest.mark.parametrize(("count", "places"), [(10, "9, 10"), (11, "9, 10 and 1 more"), (25, "9, 10 and 15 more")])
def test_many_malformed_items_are_counted(count: int, places: str) -> None:
    result = parsed(secret(smtpApprovedSenders=",".join(["*"] * count)))

    assert isinstance(result, Malformed)
    assert result.problems[0].detail.startswith(f"Item 1, 2, 3, 4, 5, 6, 7, 8, {places}: ")


def test_two_thousand_approved_senders_are_read_in_time() -> None:
    text = secret(smtpApprovedSenders=",".join(f"sender-{number}@example.com" for number in range(2000)))

    durations = []
    for _ in range(5):
        start = time.perf_counter()
        approved = configuration(text).senders.approved
        durations.append(time.perf_counter() - start)

    assert len(approved) == 2000
    assert min(durations) < 0.05


@pytest.mark.parametrize("value", ["Acme Support", "  Acme Support "])
def test_a_from_name_is_trimmed(value: str) -> None:
    assert configuration(secret(smtpFromName=value)).senders.display_name == "Acme Support"


@pytest.mark.parametrize("value", ["", "   "])
def test_a_blank_from_name_counts_as_absent(value: str) -> None:
    assert configuration(secret(smtpFromName=value)).senders.display_name is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("a\nb", "control-character"),
        ("x" * 201, "display-name-too-long"),
        ("\u202egro", "control-character"),
        (7, "entry-type"),
    ],
)
def test_a_from_name_that_is_not_a_header_text_is_invalid(value: object, code: str) -> None:
    assert faults(secret(smtpFromName=value)) == [("smtpFromName", code)]


def test_the_reply_to_is_one_mailbox() -> None:
    found = configuration(secret(smtpReplyTo="Help <help@b.example>"))

    assert found.reply_to == Mailbox(Address("help", "b.example"), "Help")


def test_the_envelope_sender_is_one_address() -> None:
    assert configuration(secret(smtpReturnPath="bounces@b.example")).return_path == parse_address("bounces@b.example")


@pytest.mark.parametrize("name", ["smtpReplyTo", "smtpReturnPath"])
@pytest.mark.parametrize("value", ["", " ", "x", "a@b.example, c@d.example", None, 7])
def test_anything_else_is_not_a_reply_address(name: str, value: object) -> None:
    ((entry, _),) = faults(secret(**{name: value}))

    assert entry == name


def test_a_return_path_has_no_display_name() -> None:
    assert [entry for entry, _ in faults(secret(smtpReturnPath="Bounces <a@b.example>"))] == ["smtpReturnPath"]


@pytest.mark.parametrize(
    ("value", "policy"),
    [("substitute", FromPolicy.SUBSTITUTE), ("reject", FromPolicy.REJECT), (" Reject ", FromPolicy.REJECT)],
)
def test_the_from_policy_is_substitute_or_reject(value: str, policy: FromPolicy) -> None:
    assert configuration(secret(smtpFromPolicy=value)).senders.from_policy is policy


def test_an_unapproved_from_is_substituted_by_default() -> None:
    assert configuration(secret()).senders.from_policy is FromPolicy.SUBSTITUTE


@pytest.mark.parametrize("value", ["", "deny", True, 1, []])
def test_any_other_from_policy_is_invalid(value: object) -> None:
    assert faults(secret(smtpFromPolicy=value)) == [("smtpFromPolicy", "choice-unknown")]
