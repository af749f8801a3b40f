"""A reply that repeats credentials in any spelling is withheld."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.relay.https_url import HttpsUrl
from mailer.relay.relay import NoAuth, OAuthAuth, PasswordAuth, TokenGrant
from mailer.relay.secret_str import SecretStr
from mailer.smtp.redaction import credential_detector, secret_detector
from mailer.smtp.reply import WITHHELD, Reply, ReplyParser, make_reply

USERNAME, PASSWORD = "relay-user", "s3cr3t/pass wörd+1 "


repeats = credential_detector(PasswordAuth(USERNAME, SecretStr(PASSWORD)))


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD,
        PASSWORD.upper(),
        PASSWORD[:10],
        PASSWORD[1:],
        PASSWORD.strip(),
        PASSWORD.replace("/", "/\n"),
        PASSWORD.encode().decode("latin-1"),
        PASSWORD.encode("latin-1").decode("utf-8", "replace"),
        quote(PASSWORD, safe=""),
        PASSWORD.encode().hex(),
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode(),
        base64.b64encode(f"x\0{USERNAME}\0{PASSWORD}".encode()).decode(),
        base64.b64encode(f"xy\0{USERNAME}\0{PASSWORD}".encode()).decode(),
        f"\0{USERNAME}\0{PASSWORD}",
        "x" * 190 + PASSWORD,
    ],
)
def test_HR11_repeated_credentials_are_withheld(echo: str) -> None:
    reply = make_reply(535, f"5.7.8 bad login {echo} go away", repeats_credentials=repeats)

    assert reply == Reply(535, WITHHELD)


def test_HR11_credentials_repeated_over_several_lines_are_withheld() -> None:
    octets = b"535-5.7.8 bad s3cr3\r\n535 t/pass w\xc3\xb6rd+1\r\n"

    replies: list[Reply] = []

    assert ReplyParser(repeats).feed_into(octets, replies) is None
    assert replies == [Reply(535, WITHHELD)]


def test_other_text_is_kept() -> None:
    reply = make_reply(535, "5.7.8 Error: authentication failed", repeats_credentials=repeats)

    assert reply == Reply(535, "5.7.8 Error: authentication failed", "5.7.8")


def test_without_credentials_no_text_is_withheld() -> None:
    assert not credential_detector(NoAuth())("anything at all")


@given(st.text("abcXYZ019 /+=%ß", min_size=1, max_size=30).filter(lambda text: not text.isspace()), st.integers(0, 2))
def test_every_password_is_detected(password: str, shift: int) -> None:
    detects = credential_detector(PasswordAuth("user", SecretStr(password)))
    is_ascii = any("!" <= character <= "~" for character in password)

    assert detects(f"no {password}") == is_ascii
    if len(password) >= 8:
        assert detects(base64.b64encode(b"\0" * shift + password.encode()).decode())


def test_secrets_of_a_grant_are_not_searched_for_in_replies() -> None:
    grant = TokenGrant(HttpsUrl("login.example.com"), "client", SecretStr("client secret"), None, SecretStr("refresh"))

    assert not credential_detector(OAuthAuth(USERNAME, grant))("client secret refresh")


@pytest.mark.parametrize("shift", range(3))
def test_HR11_a_repeated_access_token_is_withheld_in_its_encoded_form(shift: int) -> None:
    token = "ya29.a0AfB_byC3-token-of-an-hour"
    sent = base64.b64encode(f"user={'x' * shift}\1auth=Bearer {token}\1\1".encode()).decode()

    assert secret_detector(SecretStr(token))(f"535 cannot read {sent}")
