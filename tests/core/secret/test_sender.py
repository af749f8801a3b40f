"""Which From a message leaves with."""

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
    """The From in use, as `Name <a@b>`, and why."""
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
def test_the_from_in_use(requested: str | None, expected: tuple[str, FromReason]) -> None:
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
def test_a_from_that_is_not_one_plain_mailbox_is_no_from(requested: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_mailbox(requested)


def test_f17_what_a_quoted_name_says_decides_nothing() -> None:
    assert used('"<a@p.example>" <bad@e.example>') == ("Acme <hello@p.example>", NOT_APPROVED)


def test_f4_fc18_the_list_of_another_transport_is_not_asked() -> None:
    project = SenderPolicy(parse_mailbox("hello@project.example"))

    assert used("a@p.example", project) == ("hello@project.example", NOT_APPROVED)


def test_an_unapproved_from_is_refused_where_the_policy_says_so() -> None:
    with pytest.raises(SenderNotApproved):
        used("x@p.example", SenderPolicy(DEFAULT, from_policy=FromPolicy.REJECT))


@pytest.mark.parametrize("requested", [None, "hello@p.example", "a@p.example"])
def test_the_strict_policy_refuses_nothing_that_is_approved(requested: str | None) -> None:
    assert used(requested) == used(requested, SenderPolicy(DEFAULT, SENDERS.approved, FromPolicy.REJECT))


def test_the_decision_remembers_what_was_asked_for() -> None:
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
def test_the_projects_name_dresses_a_bare_from(requested: str | None, expected: str) -> None:
    assert used(requested, NAMED)[0] == expected


def test_n2_the_projects_name_replaces_no_name_of_the_default() -> None:
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
    """The specification: None is a refusal."""
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
def test_the_from_in_use_is_the_models(requested: Mailbox | None, senders: SenderPolicy) -> None:
    expected = model(requested, senders)

    if expected is None:
        with pytest.raises(SenderNotApproved):
            resolve_sender(requested, senders)
    else:
        assert resolve_sender(requested, senders).used == expected


@given(st.none() | MAILBOXES, POLICIES)
def test_the_from_in_use_belongs_to_the_transport(requested: Mailbox | None, senders: SenderPolicy) -> None:
    try:
        found = resolve_sender(requested, senders).used.address
    except SenderNotApproved:
        return

    assert found in (senders.default.address, *senders.approved)


@given(MAILBOXES, POLICIES)
def test_asking_for_the_from_in_use_gives_it_again(requested: Mailbox, senders: SenderPolicy) -> None:
    try:
        once = resolve_sender(requested, senders).used
    except SenderNotApproved:
        return

    assert resolve_sender(once, senders).used == once


def test_D11_a_name_alone_is_the_default_address_s() -> None:
    decision = resolve_sender(None, SENDERS, name="Zoe")

    assert (decision.used.address, decision.used.display_name) == (SENDERS.default.address, "Zoe")
    assert (decision.requested, decision.reason) == (None, FromReason.DEFAULT)
