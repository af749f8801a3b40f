"""A reply that repeats credentials is withheld, however it spells them."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.redaction import WITHHELD, reply_redactor
from mailer.relay import NoAuth, PasswordAuth
from mailer.reply import Reply, make_reply
from mailer.secret_str import SecretStr

USERNAME, PASSWORD = "relay-user", "s3cr3t/pass word+1"
redact = reply_redactor(PasswordAuth(USERNAME, SecretStr(PASSWORD)))


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD,
        PASSWORD.upper(),
        PASSWORD[:10],
        quote(PASSWORD, safe=""),
        PASSWORD.encode().hex(),
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode(),
        base64.b64encode(f"x\0{USERNAME}\0{PASSWORD}".encode()).decode(),
        base64.b64encode(f"xy\0{USERNAME}\0{PASSWORD}".encode()).decode(),
        f"\0{USERNAME}\0{PASSWORD}",
    ],
)
def test_HR11_an_echo_is_withheld(echo: str) -> None:
    assert redact(make_reply(535, f"5.7.8 bad login {echo} go away")).text == WITHHELD


def test_other_text_stays() -> None:
    reply = Reply(535, "5.7.8 Error: authentication failed", "5.7.8")

    assert redact(reply) == reply


def test_without_credentials_there_is_nothing_to_withhold() -> None:
    assert reply_redactor(NoAuth())(Reply(250, "ok")) == Reply(250, "ok")


@given(st.text(min_size=8, max_size=30).filter(lambda text: text.isascii() and text.isprintable()), st.integers(0, 2))
def test_the_code_is_never_touched_and_no_password_passes(password: str, shift: int) -> None:
    redactor = reply_redactor(PasswordAuth("user", SecretStr(password)))
    echo = base64.b64encode(b"\0" * shift + password.encode()).decode()

    for text in (password, echo):
        redacted = redactor(Reply(535, f"no {text}"))
        assert (redacted.code, redacted.text) == (535, WITHHELD)
