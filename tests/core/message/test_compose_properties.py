"""IN28: an independent parser reads the same fields, addresses and contents from every message."""

from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.message.address import FORBIDDEN, Mailbox, parse_address, parse_mailbox
from mailer.message.draft import Attachment, Draft

from tests.support.composing import composed, header_of, read, read_addresses, read_content, read_text

FRAGMENTS = st.sampled_from(
    [
        "=?utf-8?q?=0d=0aBcc:_e@x.y?=",
        "=?utf-8?b?DQpCY2M6IGVAeC55?=",
        '"',
        "<e@x.y>",
        ",",
        ";",
        ":",
        "\\",
        "(c)",
        "я",
        " ",
    ]
)
EVIL = (
    st.lists(st.one_of(st.text(max_size=8), FRAGMENTS), max_size=8)
    .map("".join)
    .map(lambda text: FORBIDDEN.sub("", text).strip())
)
NAMES = EVIL.map(lambda name: name[:200].strip() or None)
ADDRESSES = st.from_regex(r"[A-Za-z0-9#$&'*+/=^_`{|}~-]{1,20}@[a-z]{1,10}\.(?:com|example)", fullmatch=True).map(
    parse_address
)
MAILBOXES = st.builds(Mailbox, ADDRESSES, NAMES)
LISTS = st.lists(MAILBOXES, max_size=4).map(tuple)
BODIES = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), st.sampled_from("\r\n.-=_")),
    max_size=200,
)
ATTACHMENTS = st.builds(
    Attachment,
    EVIL.filter(bool),
    st.binary(max_size=300),
    st.sampled_from(["text/plain", "application/pdf", "image/png"]),
    st.one_of(st.none(), st.sampled_from(["logo", "a@b.example"])),
)
DRAFTS = st.builds(
    Draft,
    to=st.lists(MAILBOXES, min_size=1, max_size=4).map(tuple),
    subject=EVIL,
    cc=LISTS,
    bcc=LISTS,
    text=BODIES,
    html=st.one_of(st.none(), BODIES, BODIES.map(lambda body: body + '<img src="cid:logo">')),
    headers=st.lists(
        st.tuples(st.from_regex(r"X-[A-Za-z0-9-]{1,20}", fullmatch=True), EVIL.filter(bool)),
        max_size=3,
        unique_by=lambda field: field[0].lower(),
    ).map(tuple),
    attachments=st.lists(ATTACHMENTS, max_size=3).map(tuple),
)


def expected_addresses(mailboxes: tuple[Mailbox, ...]) -> list[tuple[str, str]]:
    return [(mailbox.display_name or "", str(mailbox.address)) for mailbox in mailboxes]


@settings(max_examples=150)
@given(DRAFTS, MAILBOXES, LISTS)
def test_IN28_another_reader_finds_the_same_fields_and_addresses(
    draft: Draft, sender: Mailbox, reply_to: tuple[Mailbox, ...]
) -> None:
    parsed = read(composed(draft, sender=sender, reply_to=reply_to))

    names = ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"]
    names += ["Cc"] * bool(draft.cc) + ["Reply-To"] * bool(reply_to) + [name for name, _ in draft.headers]
    names += ["Content-Transfer-Encoding"] * (not parsed.is_multipart())
    assert sorted(parsed.keys()) == sorted(names)
    assert parsed.defects == []
    assert read_addresses(parsed, "From") == expected_addresses((sender,))
    assert read_addresses(parsed, "To") == expected_addresses(draft.to)
    assert read_addresses(parsed, "Cc") == expected_addresses(draft.cc)
    assert read_addresses(parsed, "Reply-To") == expected_addresses(reply_to)
    assert read_text(parsed["Subject"]) == draft.subject
    assert [read_text(parsed[name]) for name, _ in draft.headers] == [value for _, value in draft.headers]


@settings(max_examples=150)
@given(DRAFTS)
def test_IN28_another_reader_finds_the_same_contents(draft: Draft) -> None:
    parsed = read(composed(draft))

    leaves = [read_content(part) for part in parsed.walk() if not part.is_multipart()]
    texts = [draft.text] if draft.text or not draft.html else []
    texts += [draft.html] if draft.html else []
    expected = [(text or "").replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode() for text in texts]
    if len(leaves) == 1:
        assert leaves[0].removesuffix(b"\r\n") == expected[0].removesuffix(b"\r\n")
    else:
        assert sorted(leaves) == sorted(expected + [attachment.content for attachment in draft.attachments])


@settings(max_examples=150)
@given(DRAFTS)
def test_IN28_every_message_is_clean_and_has_its_stated_size(draft: Draft) -> None:
    message = composed(draft)

    octets = message.as_bytes()
    bare = octets.replace(b"\r\n", b"")
    assert octets.isascii()
    assert b"\r" not in bare
    assert b"\n" not in bare
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert message.size == len(octets)
    assert octets.endswith(b"\r\n")


@settings(max_examples=100)
@given(st.lists(MAILBOXES, min_size=1, max_size=4).map(tuple))
def test_IN27_no_bcc_mailbox_appears_in_the_message(bcc: tuple[Mailbox, ...]) -> None:
    seen = Draft(to=(parse_mailbox("ann@example.net"),), subject="Hello", text="Hello.")
    hidden = Draft(to=seen.to, subject=seen.subject, text=seen.text, bcc=bcc)

    assert header_of(composed(hidden)) == header_of(composed(seen))
    assert {str(mailbox.address) for mailbox in bcc} <= {str(address) for address in composed(hidden).recipients}
