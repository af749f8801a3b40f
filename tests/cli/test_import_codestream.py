"""CodeStream's configuration file becomes entries that the service accepts."""

import json

import pytest
from mailer.relay.relay import NoAuth, PasswordAuth, TlsMode
from mailer.secret.provider.sendgrid import SendgridAccount
from project_smtp_cli.importing.formats import Format, convert
from project_smtp_cli.importing.imported import Imported, NotImportable

from tests.cli.reading import activated, relay
from tests.support import canaries

GMAIL = """{
	"emailDeliveryService": {
		"NodeMailer": {
			"host": "smtp.gmail.com",
			"password": "my-password",        // Your GMail or G-Suite password (in plain text!!)
			"port": "587",
			"secure": true,
			"service": "gmail",
			"username": "my-user@gmail.com",  // Your GMail or G-Suite email address
		}
	}
}"""


def imported(service: dict[str, object], **sections: object) -> Imported:
    text = json.dumps({"emailDeliveryService": service, **sections})
    format_, found = convert(text, None)
    assert format_ is Format.CODESTREAM
    return found


def places(found: Imported) -> list[str]:
    return [note.place for note in found.notes]


class TestRelays:
    def test_the_documented_gmail_file_is_read_with_comments_and_trailing_comma(self) -> None:
        _, found = convert(GMAIL, None)

        gmail = relay(found.entries)
        assert (gmail.host, gmail.port) == ("smtp.gmail.com", 587)
        assert isinstance(gmail.auth, PasswordAuth)
        assert gmail.auth.username == "my-user@gmail.com"

    def test_secure_on_port_587_is_required_starttls_with_a_note(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example", "port": "587", "secure": True}})

        assert relay(found.entries).tls is TlsMode.STARTTLS
        assert places(found) == ["emailDeliveryService.NodeMailer.secure"]

    def test_a_relay_without_a_user_name_trusts_the_network(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example", "port": "587", "secure": True}})

        assert relay(found.entries).auth == NoAuth()

    def test_an_insecure_relay_allows_clear_text_with_a_note(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example", "port": "25", "secure": False}})

        assert relay(found.entries).tls is TlsMode.STARTTLS_IF_OFFERED
        assert "in clear" in found.notes[0].detail

    def test_insecure_on_another_port_is_starttls(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example", "port": 587, "secure": False}})

        assert relay(found.entries).tls is TlsMode.STARTTLS

    def test_port_465_is_implicit_tls_for_any_value_of_secure(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example", "port": "465", "secure": False}})

        assert relay(found.entries).tls is TlsMode.IMPLICIT

    def test_port_and_secure_have_codestreams_defaults(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example"}})

        assert (relay(found.entries).port, relay(found.entries).tls) == (587, TlsMode.STARTTLS)

    def test_a_service_without_a_host_is_a_preset(self) -> None:
        found = imported({"NodeMailer": {"service": "Gmail", "username": "me@gmail.com", "password": "p" * 16}})

        assert relay(found.entries).host == "smtp.gmail.com"

    def test_an_unknown_service_with_a_host_is_noted(self) -> None:
        found = imported({"NodeMailer": {"service": "Tuerkei", "host": "relay.acme.example"}})

        assert relay(found.entries).host == "relay.acme.example"
        assert "emailDeliveryService.NodeMailer.service" in places(found)

    def test_an_unknown_service_without_a_host_is_refused(self) -> None:
        with pytest.raises(NotImportable, match="host and port"):
            imported({"NodeMailer": {"service": "Tuerkei"}})

    def test_a_password_without_a_user_name_is_left_out_with_a_note(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example", "password": canaries.PASSWORD}})

        assert relay(found.entries).auth == NoAuth()
        assert "emailDeliveryService.NodeMailer.password" in places(found)

    def test_a_user_name_without_a_password_is_kept(self) -> None:
        found = imported({"NodeMailer": {"host": "relay.acme.example", "username": "me"}})

        assert found.entries["smtpUsername"] == "me"
        assert "smtpAuth" not in found.entries


class TestSendgrid:
    @pytest.mark.parametrize(
        ("url", "base_url"),
        [
            (None, "https://api.sendgrid.com"),
            ("/v3/mail/send", "https://api.sendgrid.com"),
            ("https://api.sendgrid.com/v3/mail/send", "https://api.sendgrid.com"),
            ("https://api.eu.sendgrid.com/v3/mail/send", "https://api.eu.sendgrid.com"),
            ("https://proxy.acme.example/v3/mail/send", "https://proxy.acme.example"),
        ],
    )
    def test_key_and_url_become_a_provider(self, url: str | None, base_url: str) -> None:
        section = {"apiKey": canaries.API_KEY, **({"url": url} if url else {})}

        (provider,) = activated(imported({"sendgrid": section}).entries).configuration.chain

        assert isinstance(provider.config, SendgridAccount)
        assert provider.config.base_url == base_url
        assert provider.config.api_key.reveal() == canaries.API_KEY

    @pytest.mark.parametrize(
        "url",
        [
            "/v2/mail", "http://api.sendgrid.com/v3/mail/send", "https:///v3/mail/send", "//evil.example/v3/mail/send",
            "https://u:p@api.sendgrid.com/v3/mail/send", "https://[::1/v3/mail/send", "/v3/mail/send?x=1",
        ],
    )  # fmt: skip
    def test_another_url_is_refused(self, url: str) -> None:
        with pytest.raises(NotImportable, match="url"):
            imported({"sendgrid": {"apiKey": "k", "url": url}})

    def test_sendgrid_takes_precedence_over_nodemailer(self) -> None:
        found = imported({"sendgrid": {"apiKey": "k"}, "NodeMailer": {"host": "relay.acme.example"}})

        assert list(found.entries) == ["emailProviders"]
        assert places(found) == ["emailDeliveryService.NodeMailer"]

    def test_a_disabled_sendgrid_is_ignored(self) -> None:
        found = imported({"sendgrid": {"apiKey": "k", "disabled": True}, "NodeMailer": {"host": "relay.acme.example"}})

        assert relay(found.entries).host == "relay.acme.example"


class TestTheRest:
    def test_the_sender_is_imported(self) -> None:
        found = imported({"NodeMailer": {"host": "h.acme.example"}}, email={"senderEmail": "cs@acme.example"})

        assert found.entries["smtpFromAddress"] == "cs@acme.example"

    @pytest.mark.parametrize("name", ["emailTo", "suppressEmails", "replyToDomain", "supportEmail", "somethingElse"])
    def test_a_setting_without_a_counterpart_is_noted(self, name: str) -> None:
        found = imported({"NodeMailer": {"host": "h.acme.example"}}, email={name: "x"})

        assert f"email.{name}" in places(found)

    def test_sections_that_are_not_about_mail_are_ignored(self) -> None:
        found = imported({"NodeMailer": {"host": "h.acme.example", "port": "465"}}, storage={"mongo": {"url": "x"}})

        assert places(found) == []

    @pytest.mark.parametrize(
        "service",
        [
            {}, {"NodeMailer": {}}, {"NodeMailer": None}, {"NodeMailer": []}, {"sendgrid": {"apiKey": ""}},
            {"NodeMailer": {"host": "h.acme.example", "secure": "maybe"}}, {"NodeMailer": {"host": {"a": 1}}},
            {"NodeMailer": {"host": "h.acme.example", "disabled": True}},
            {"NodeMailer": {"host": "h.acme.example", "port": 5.5}},
        ],
    )  # fmt: skip
    def test_a_file_without_a_usable_relay_is_refused(self, service: dict[str, object]) -> None:
        with pytest.raises(NotImportable):
            imported(service)

    def test_a_hostile_name_is_made_printable(self) -> None:
        found = imported({"NodeMailer": {"host": "h.acme.example", "port": "465", "\x1b[2J" + "x" * 500: 1}})

        assert all(place.isprintable() and len(place) < 150 for place in places(found))
