"""Whether replies can be matched to their commands by their texts."""

import pytest
from mailer.smtp.reply import Reply, make_reply
from mailer.smtp.reply_order import wording_of


def reply(line: str) -> Reply:
    return make_reply(int(line[:3]), line[4:])


# MAIL, RCPT and the end of the message, as these servers answer.
KNOWN = {
    "Postfix": ("250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.0.0 Ok: queued as 4242"),
    "Exim": ("250 OK", "250 Accepted", "250 12 byte chunk, total 12\nOK id=1abc-02"),
    "Exchange": ("250 2.1.0 Sender OK", "250 2.1.5 Recipient OK", "250 2.6.0 <1@x> Queued mail for delivery"),
    "Dovecot": ("250 2.1.0 OK", "250 2.1.5 OK", "250 2.0.0 OK"),
    "go-smtp": ("250 2.0.0 Roger, accepting mail", "250 2.0.0 I'll make sure", "250 2.0.0 OK: queued"),
    "refused recipient": ("250 2.1.0 Ok", "550 5.1.1 No such user", "554 5.5.1 No valid recipients"),
}


@pytest.mark.parametrize("replies", KNOWN.values(), ids=KNOWN)
def test_replies_of_known_servers_can_be_told_apart(replies: tuple[str, str, str]) -> None:
    mail, rcpt, final = map(reply, replies)

    assert wording_of(mail, [rcpt], final) is not None


@pytest.mark.parametrize("text", ["250 OK", "250", "250 2.1.0 Sender OK"])
def test_a_repeated_reply_to_mail_cannot_be_told_from_that_to_a_recipient(text: str) -> None:
    assert wording_of(reply(text), [reply("250 2.1.5 Fine"), reply(text)], reply("250 2.0.0 Queued")) is None


@pytest.mark.parametrize("final", ["250 2.1.5 Other OK", "250 OK", "550 5.1.1 No such user", "250 Accepted"])
def test_a_final_reply_that_may_belong_to_an_address_cannot_be_told_apart(final: str) -> None:
    assert wording_of(reply("250 OK"), [reply("250 Accepted")], reply(final)) is None


ANOTHER = {
    "Postfix": ("250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.0.0 Ok: queued as 4f2A7b"),
    "Exim": ("250 OK", "250 Accepted", "250 OK id=1xyz-03"),
    "Exchange": ("250 2.1.0 Sender OK", "250 2.1.5 Recipient OK", "250 2.6.0 <xy@z> Queued mail for delivery"),
}


@pytest.mark.parametrize("server", ANOTHER)
def test_replies_to_another_message_are_worded_as_the_known_ones(server: str) -> None:
    one, other = [reply(line) for line in KNOWN[server]], [reply(line) for line in ANOTHER[server]]
    for first, second in ((one, other), (other, one)):
        known = wording_of(first[0], [first[1]], first[2])

        assert known is not None
        assert known.fits(second[0], [second[1]], second[2])


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_reply_with_another_text_does_not_fit(at: int) -> None:
    replies = [reply("250 sender ok"), reply("250 recipient ok"), reply("250 queued as A1")]
    known = wording_of(replies[0], replies[1:2], replies[2])
    replies.insert(at, reply("250 message 1 delivered"))

    assert known is not None
    assert not known.fits(replies[0], replies[1:2], replies[2])


def test_replies_that_differ_only_in_ids_and_addresses_cannot_be_told_apart() -> None:
    assert wording_of(reply("250 OK A1"), [reply("250 OK B2")], reply("250 OK C3")) is None
    assert wording_of(reply("250 <a@b> OK"), [reply("250 <c@d> OK")], reply("250 Queued")) is None
