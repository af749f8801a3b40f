"""The From of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.errors import SenderNotApproved
from mailer.message.address import Address, InvalidAddress, Mailbox, parse_address, parse_mailbox
from mailer.secret.configuration import FromPolicy, SenderPolicy
from mailer.secret.sender import FromReason, resolve_sender

DEFAULT = parse_mailbox("Acme <hello@p.example>")
SENDERS = SenderPolicy(DEFAULT, (parse_address("a@p.example"), parse_address("Desk@p.example")))


def used(requested: str | None, senders: SenderPolicy = SENDERS) -> tuple[str, FromReason]:
    """Return the From that is used, as `Name <a@b>`, and the reason."""
    decision = resolve_sender(parse_mailbox(requested) if requested is not None else None, senders)
    name, address = decision.used.display_name, decision.used.address
    return (f"{name} <{address}>" if name else str(address)), decision.reason


APPROVED, NOT_APPROVED = FromReason.APPROVED, FromReason.NOT_APPROVED


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        pytest.param(None, ("Acme <hello@p.example>", FromReason.DEFAULT), id="F1 absent"),
        pytest.param("a@p.example", ("a@p.example", APPROVED), id="F2 approved"),
        pytest.param("x@p.example", ("Acme <hello@p.example>", NOT_APPROVED), id="F3 not approved"),
        pytest.param("Team <a@p.example>", ("Team <a@p.example>", APPROVED), id="F5 name kept"),
        pytest.param("A@p.example", ("a@p.example", APPROVED), id="F11 local part in another case"),
        pytest.param("a@P.EXAMPLE", ("a@p.example", APPROVED), id="F11 domain in another case"),
        pytest.param("desk@p.example", ("Desk@p.example", APPROVED), id="F11 spelled as configured"),
        pytest.param(
            "hello@p.example", ("Acme <hello@p.example>", APPROVED), id="F15 default by itself keeps its name"
        ),
        pytest.param("Me <HELLO@p.example>", ("Me <hello@p.example>", APPROVED), id="F15 default with a name"),
        pytest.param("  a@p.example  ", ("a@p.example", APPROVED), id="F16 spaces"),
        pytest.param("a+b@p.example", ("Acme <hello@p.example>", NOT_APPROVED), id="CV13 no tags folded"),
        pytest.param("a@evilp.example", ("Acme <hello@p.example>", NOT_APPROVED), id="CV13 longer domain"),
        pytest.param("a@p.example.evil.com", ("Acme <hello@p.example>", NOT_APPROVED), id="CV13 sub-domain of another"),
        pytest.param("a@sub.p.example", ("Acme <hello@p.example>", NOT_APPROVED), id="CV12 sub-domain"),
        pytest.param("a@\u0440.example", ("Acme <hello@p.example>", NOT_APPROVED), id="CV14 homoglyph domain"),
    ],
)
def test_the_used_from_has_a_documented_reason(requested: str | None, expected: tuple[str, FromReason]) -> None:
    assert used(requested) == expected


@pytest.mark.parametrize(
    "requested",
    [
        pytest.param("", id="F1 empty"),
        pytest.param("a@p.example, b@p.example", id="F7 list"),
        pytest.param("   ", id="F9 blank"),
        pytest.param('"<a@p.example>" <bad@e.example', id="F17 unclosed"),
        pytest.param("bad@e.example, <a@p.example>", id="F18"),
        pytest.param("<a@p.example>, bad@e.example", id="F19"),
        pytest.param("N <a@p.example>\r\nBcc: v@e.example", id="F20"),
        pytest.param("a@p.example,bad@e.example", id="F21"),
        pytest.param("a@p.example(x)evil.com", id="CV13 comment"),
        pytest.param('"a@evil.com"@p.example', id="CV13 quoted local part"),
        pytest.param("\uff41@p.example", id="CV14 full-width local part"),
        pytest.param("\u0430@p.example", id="CV14 Cyrillic local part"),
        pytest.param("a@\uff50.example", id="CV14 full-width domain"),
    ],
)
def test_a_from_that_is_not_one_mailbox_is_invalid(requested: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_mailbox(requested)


def test_an_address_in_a_quoted_name_is_ignored() -> None:
    assert used('"<a@p.example>" <bad@e.example>') == ("Acme <hello@p.example>", NOT_APPROVED)


def test_the_senders_of_another_transport_do_not_count() -> None:
    project = SenderPolicy(parse_mailbox("hello@project.example"))

    assert used("a@p.example", project) == ("hello@project.example", NOT_APPROVED)


def test_the_reject_policy_refuses_an_unapproved_from() -> None:
    with pytest.raises(SenderNotApproved):
        used("x@p.example", SenderPolicy(DEFAULT, from_policy=FromPolicy.REJECT))


@pytest.mark.parametrize("requested", [None, "hello@p.example", "a@p.example"])
def test_the_reject_policy_accepts_an_approved_from(requested: str | None) -> None:
    assert used(requested) == used(requested, SenderPolicy(DEFAULT, SENDERS.approved, FromPolicy.REJECT))


def test_the_decision_keeps_the_requested_from() -> None:
    requested = parse_mailbox("X <x@p.example>")

    assert resolve_sender(requested, SENDERS).requested == requested


NAMED = SenderPolicy(parse_mailbox("hello@p.example"), SENDERS.approved, display_name="Acme Health")


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        pytest.param(None, "Acme Health <hello@p.example>", id="N1 default"),
        pytest.param("a@p.example", "Acme Health <a@p.example>", id="N1 approved"),
        pytest.param("x@p.example", "Acme Health <hello@p.example>", id="N1 substituted"),
        pytest.param("Me <a@p.example>", "Me <a@p.example>", id="N2"),
    ],
)
def test_a_from_without_a_name_gets_the_configured_name(requested: str | None, expected: str) -> None:
    assert used(requested, NAMED)[0] == expected


def test_the_configured_name_replaces_no_other_name() -> None:
    assert used(None, SenderPolicy(DEFAULT, display_name="Other"))[0] == "Acme <hello@p.example>"


ADDRESSES = st.builds(
    Address,
    st.sampled_from(["a", "A", "b", "a.b", "a+b"]),
    st.sampled_from(["p.example", "P.example", "sub.p.example"]),
)
DISPLAY_NAMES = st.none() | st.sampled_from(["Acme", "<a@p.example>"])
MAILBOXES = st.builds(Mailbox, ADDRESSES, DISPLAY_NAMES)
POLICIES = st.builds(
    SenderPolicy,
    MAILBOXES,
    st.lists(ADDRESSES, max_size=4).map(tuple),
    st.sampled_from(FromPolicy),
    DISPLAY_NAMES,
)


def model(requested: Mailbox | None, senders: SenderPolicy) -> Mailbox | None:
    """Return the From that is specified; None if the request must be refused."""
    if requested is None:
        found, name = senders.default.address, senders.default.display_name
    else:
        wanted = str(requested.address).lower()
        spelled = {str(address).lower(): address for address in (*reversed(senders.approved), senders.default.address)}
        if wanted in spelled:
            found, name = spelled[wanted], requested.display_name
            if found == senders.default.address and wanted == str(senders.default.address).lower():
                name = name or senders.default.display_name
        elif senders.from_policy is FromPolicy.REJECT:
            return None
        else:
            found, name = senders.default.address, senders.default.display_name
    return Mailbox(found, name or senders.display_name)


@given(st.none() | MAILBOXES, POLICIES)
def test_the_used_from_agrees_with_the_model(requested: Mailbox | None, senders: SenderPolicy) -> None:
    expected = model(requested, senders)

    if expected is None:
        with pytest.raises(SenderNotApproved):
            resolve_sender(requested, senders)
    else:
        assert resolve_sender(requested, senders).used == expected


@given(st.none() | MAILBOXES, POLICIES)
def test_the_used_from_belongs_to_the_transport(requested: Mailbox | None, senders: SenderPolicy) -> None:
    try:
        found = resolve_sender(requested, senders).used.address
    except SenderNotApproved:
        return

    assert found in (senders.default.address, *senders.approved)


@given(MAILBOXES, POLICIES)
def test_requesting_the_used_from_returns_it_again(requested: Mailbox, senders: SenderPolicy) -> None:
    try:
        once = resolve_sender(requested, senders).used
    except SenderNotApproved:
        return

    assert resolve_sender(once, senders).used == once


def test_a_requested_name_is_used_with_the_default_address() -> None:
    decision = resolve_sender(None, SENDERS, name="Zoe")

    assert (decision.used.address, decision.used.display_name) == (SENDERS.default.address, "Zoe")
    assert (decision.requested, decision.reason) == (None, FromReason.DEFAULT)
