"""DreamFactory's `.env` becomes entries that the service accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.relay.relay import NoAuth, PasswordAuth, TlsMode
from project_smtp_cli.importing.formats import Format, convert
from project_smtp_cli.importing.imported import Imported, NotImportable

from tests.cli.reading import activated, relay

DOCUMENTED = """\
# mail
MAIL_DRIVER=smtp
MAIL_HOST=smtp.example.com
MAIL_PORT=587
MAIL_USERNAME=your_username
MAIL_PASSWORD=your_password
MAIL_ENCRYPTION=tls
MAIL_FROM_ADDRESS=noreply@example.com
MAIL_FROM_NAME=DreamFactory
"""


def imported(text: str) -> Imported:
    format_, found = convert(text, None)
    assert format_ is Format.DREAMFACTORY_ENV
    return found


def with_line(line: str) -> Imported:
    return imported(f"MAIL_HOST=smtp.example.com\n{line}\n")


def test_the_documented_variables_become_relay_and_sender() -> None:
    configuration = activated(imported(DOCUMENTED).entries).configuration

    found = relay(imported(DOCUMENTED).entries)
    assert (found.host, found.port, found.tls) == ("smtp.example.com", 587, TlsMode.STARTTLS)
    assert isinstance(found.auth, PasswordAuth)
    assert (str(configuration.senders.default.address), configuration.senders.display_name) == (
        "noreply@example.com",
        "DreamFactory",
    )


@pytest.mark.parametrize(
    ("lines", "mode"),
    [
        ("", TlsMode.STARTTLS),
        ("MAIL_ENCRYPTION=tls", TlsMode.STARTTLS),
        ("MAIL_ENCRYPTION=TLS", TlsMode.STARTTLS),
        ("MAIL_ENCRYPTION=ssl\nMAIL_PORT=465", TlsMode.IMPLICIT),
        ("MAIL_ENCRYPTION=tls\nMAIL_PORT=465", TlsMode.IMPLICIT),
        ("MAIL_ENCRYPTION=ssl\nMAIL_PORT=587", TlsMode.STARTTLS),
        ("MAIL_ENCRYPTION=", TlsMode.STARTTLS_IF_OFFERED),
        ("MAIL_ENCRYPTION=null", TlsMode.STARTTLS_IF_OFFERED),
        ("MAIL_ENCRYPTION=none", TlsMode.STARTTLS_IF_OFFERED),
    ],
)
def test_each_encryption_becomes_a_tls_mode(lines: str, mode: TlsMode) -> None:
    assert relay(with_line(lines).entries).tls is mode


def test_no_encryption_is_noted() -> None:
    assert "in clear" in with_line("MAIL_ENCRYPTION=").notes[0].detail


def test_the_default_port_is_587() -> None:
    assert with_line("").entries["smtpPort"] == "587"


def test_without_a_login_the_relay_trusts_the_network() -> None:
    assert relay(with_line("MAIL_USERNAME=null\nMAIL_PASSWORD=").entries).auth == NoAuth()


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("plain", "plain"),
        ("with#mark", "with#mark"),
        ("before # a comment", "before"),
        ('"quoted # mark"  # a comment', "quoted # mark"),
        ("'single $HOME \\n'", "single $HOME \\n"),
        (r'"a\"b\\c\$d"', 'a"b\\c$d'),
        ("p=a=b", "p=a=b"),
    ],
)
def test_values_are_read_as_in_php(written: str, password: str) -> None:
    assert with_line(f"MAIL_USERNAME=me\nMAIL_PASSWORD={written}").entries["smtpPassword"] == password


@pytest.mark.parametrize(
    "line",
    [
        "MAIL_PASSWORD=${SECRET}",
        'MAIL_PASSWORD="${SECRET}"',
        'MAIL_PASSWORD="open',
        "MAIL_PASSWORD='open",
        "MAIL_HOST=another.example.com",
        "MAIL_ENCRYPTION=starttls",
        "MAIL_DRIVER=mailgun",
        "MAIL_MAILER=log",
    ],
)
def test_a_line_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(NotImportable):
        with_line(line)


def test_a_file_without_a_host_is_refused() -> None:
    with pytest.raises(NotImportable, match="MAIL_HOST"):
        imported("MAIL_PORT=587\n")


def test_only_unknown_mail_variables_are_noted() -> None:
    found = with_line("MAIL_SENDMAIL=/usr/sbin/sendmail\nDB_PASSWORD=secret\nexport APP_KEY=${X}")

    assert [note.place for note in found.notes] == ["MAIL_SENDMAIL"]


@given(st.text(st.sampled_from("MAIL_HOST=x\"'\\$#{} \n"), max_size=60) | st.text(max_size=60))
def test_every_text_is_converted_or_refused(text: str) -> None:
    try:
        _, found = convert(text, Format.DREAMFACTORY_ENV)
    except NotImportable:
        return
    assert found.entries["smtpHost"]
