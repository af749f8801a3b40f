"""Whether replies can be matched to their commands by their texts."""

import pytest
from mailer.smtp.reply import Reply, make_reply
from mailer.smtp.reply_order import can_tell_apart


def reply(line: str) -> Reply:
    return make_reply(int(line[:3]), line[4:])


# MAIL, RCPT and the end of the message, as these servers answer.
KNOWN = {
    "Postfix": ("250 2.1.0 Ok", "250 2.1.5 Ok", "250 2.0.0 Ok: queued as 4242"),
    "Exim": ("250 OK", "250 Accepted", "250-12 byte chunk, total 12\n250 OK id=1abc-02"),
    "Exchange": ("250 2.1.0 Sender OK", "250 2.1.5 Recipient OK", "250 2.6.0 <1@x> Queued mail for delivery"),
    "Dovecot": ("250 2.1.0 OK", "250 2.1.5 OK", "250 2.0.0 OK"),
    "go-smtp": ("250 2.0.0 Roger, accepting mail", "250 2.0.0 I'll make sure", "250 2.0.0 OK: queued"),
    "refused recipient": ("250 2.1.0 Ok", "550 5.1.1 No such user", "554 5.5.1 No valid recipients"),
}


@pytest.mark.parametrize("replies", KNOWN.values(), ids=KNOWN)
def test_replies_of_known_servers_can_be_told_apart(replies: tuple[str, str, str]) -> None:
    mail, rcpt, final = map(reply, replies)

    assert can_tell_apart(mail, [rcpt], final)


@pytest.mark.parametrize("text", ["250 OK", "250", "250 2.1.0 Sender OK"])
def test_a_repeated_reply_to_mail_cannot_be_told_from_that_to_a_recipient(text: str) -> None:
    assert not can_tell_apart(reply(text), [reply("250 2.1.5 Fine"), reply(text)], reply("250 2.0.0 Queued"))


@pytest.mark.parametrize("final", ["250 2.1.5 Other OK", "250 OK", "550 5.1.1 No such user", "250 Accepted"])
def test_a_final_reply_that_may_belong_to_an_address_cannot_be_told_apart(final: str) -> None:
    assert not can_tell_apart(reply("250 OK"), [reply("250 Accepted")], reply(final))
