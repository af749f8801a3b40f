"""Courier's overrides and MessagePipe's providers become entries that the service accepts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.relay.preset import find_preset
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, TlsMode
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.secret.provider.ses import SesAccount
from project_smtp_cli.importing.formats import Format, convert
from project_smtp_cli.importing.imported import Imported, NotImportable, masked
from project_smtp_cli.importing.transport import SERVICES

from tests.cli.reading import activated, relay
from tests.support import canaries

CONFIG: dict[str, object] = {
    "host": "smtp.office365.com",
    "port": 587,
    "secure": False,
    "requireTLS": True,
    "auth": {"user": "me@acme.example", "pass": canaries.PASSWORD},
}
PROVIDERS: list[dict[str, object]] = [
    {"provider": "sendgrid", "name": "Primary", "priority": 1, "config": {"apiKey": canaries.API_KEY}},
    {"provider": "mailgun", "priority": 2, "config": {"apiKey": canaries.API_KEY, "domain": "mg.acme.example"}},
    {
        "provider": "ses",
        "enabled": True,
        "config": {"accessKeyId": "AKIA", "secretAccessKey": canaries.API_KEY, "region": "us-east-1"},
    },
    {
        "provider": "smtp",
        "config": {
            "host": "smtp.gmail.com",
            "port": 587,
            "secure": False,
            "auth": {"user": "me@gmail.com", "pass": "p" * 16},
            "tls": {"rejectUnauthorized": False},
        },
    },
]


def request(config: object, **override: object) -> str:
    return json.dumps({"message": {"providers": {"smtp": {"override": {"config": config, **override}}}}})


def courier(config: dict[str, object], **override: object) -> Imported:
    format_, found = convert(request(config, **override), None)
    assert format_ is Format.COURIER
    return found


def messagepipe(value: object) -> Imported:
    format_, found = convert(json.dumps(value), None)
    assert format_ is Format.MESSAGEPIPE
    return found


def places(found: Imported) -> list[str]:
    return [note.place for note in found.notes]


class TestCourier:
    def test_a_documented_request_becomes_a_relay(self) -> None:
        found = relay(courier(CONFIG).entries)

        assert (found.host, found.port, found.tls) == ("smtp.office365.com", 587, TlsMode.STARTTLS)
        assert isinstance(found.auth, PasswordAuth)
        assert found.auth.password.reveal() == canaries.PASSWORD

    def test_the_config_alone_gives_the_same_entries(self) -> None:
        assert convert(json.dumps(CONFIG), None)[1].entries == courier(CONFIG).entries

    def test_a_windows_domain_stays_in_the_user_name(self) -> None:
        found = courier(CONFIG | {"auth": {"user": "domain\\username", "pass": "x" * 9}})

        assert found.entries["smtpUsername"] == "domain\\username"

    @pytest.mark.parametrize(
        ("changes", "mode"),
        [
            ({"port": 465, "secure": True}, TlsMode.IMPLICIT),
            ({"port": 587, "secure": True}, TlsMode.STARTTLS),
            ({"requireTLS": False}, TlsMode.STARTTLS_IF_OFFERED),
            ({"ignoreTLS": True}, TlsMode.STARTTLS_IF_OFFERED),
            ({"secure": "false"}, TlsMode.STARTTLS),
        ],
    )
    def test_tls_options_become_a_tls_mode(self, changes: dict[str, object], mode: TlsMode) -> None:
        assert relay(courier(CONFIG | changes).entries).tls is mode

    def test_secure_on_another_port_is_implicit_tls(self) -> None:
        assert courier(CONFIG | {"port": 1465, "secure": True}).entries["smtpSecure"] == "true"

    def test_milliseconds_become_seconds(self) -> None:
        found = relay(courier(CONFIG | {"connectionTimeout": 5000, "socketTimeout": 1500}).entries)

        assert (found.connection_timeout, found.socket_timeout) == (5.0, 1.5)

    @pytest.mark.parametrize("time", [True, -1, 0, 1e9, "5s", 10**30])
    def test_a_malformed_time_is_refused(self, time: object) -> None:
        with pytest.raises(NotImportable, match="milliseconds"):
            courier(CONFIG | {"connectionTimeout": time})

    def test_without_a_login_the_relay_trusts_the_network(self) -> None:
        assert relay(courier({"host": "mail.acme.example", "port": 25}).entries).auth == NoAuth()

    def test_message_options_and_weak_tls_options_are_noted(self) -> None:
        found = courier(CONFIG | {"tls": {"rejectUnauthorized": False, "ciphers": "x"}, "pool": True}, body={"cc": "x"})

        assert places(found) == ["override.body", "config.tls.rejectUnauthorized", "config.tls.ciphers", "config.pool"]

    def test_oauth_is_refused(self) -> None:
        with pytest.raises(NotImportable, match="smtpOauth"):
            courier(CONFIG | {"auth": {"type": "OAuth2", "user": "me", "accessToken": "x"}})

    @pytest.mark.parametrize("service", SERVICES)
    def test_every_service_has_a_preset(self, service: str) -> None:
        entries = courier({"service": service, "auth": {"user": "u", "pass": "p"}}).entries

        assert find_preset(entries["smtpService"]) is not None


class TestMessagePipe:
    def test_a_list_becomes_a_chain_in_its_order(self) -> None:
        chain = activated(messagepipe(PROVIDERS).entries).configuration.chain

        kinds = [type(provider.config) for provider in chain]
        assert kinds == [SendgridAccount, MailgunAccount, SesAccount, Relay]
        assert [provider.priority for provider in chain] == [1, 2, 3, 4]

    def test_unverified_certificates_are_left_out_with_a_note(self) -> None:
        assert places(messagepipe(PROVIDERS)) == ["providers[3].config.tls.rejectUnauthorized"]

    def test_the_sender_of_the_configuration_is_imported(self) -> None:
        value = {"senderEmail": "noreply@acme.example", "senderName": "Acme", "enabled": True, "providers": PROVIDERS}

        found = messagepipe(value)

        assert (found.entries["smtpFromAddress"], found.entries["smtpFromName"]) == ("noreply@acme.example", "Acme")

    def test_a_disabled_configuration_is_noted(self) -> None:
        value = {"emailConfig": {"senderEmail": "a@acme.example", "enabled": False}, "providers": PROVIDERS[:1]}

        assert places(messagepipe(value)) == ["enabled"]

    def test_ids_are_kept_unless_repeated_or_malformed(self) -> None:
        found = messagepipe([{**PROVIDERS[0], "id": "a"}, {**PROVIDERS[1], "id": "a"}, {**PROVIDERS[2], "id": "a b"}])

        ids = [provider["id"] for provider in json.loads(found.entries["emailProviders"])]
        assert ids == ["a", "provider-2", "provider-3"]

    def test_a_disabled_provider_stays_disabled(self) -> None:
        found = messagepipe([PROVIDERS[0], {**PROVIDERS[1], "enabled": False}])

        assert len(activated(found.entries).configuration.chain) == 1

    @pytest.mark.parametrize(
        "item",
        [
            {"provider": "sendgrid"},
            {"provider": "pigeon", "config": {}},
            {"provider": "smtp", "config": {"port": 587}},
            {"provider": "sendgrid", "priority": "1", "config": {"apiKey": "k"}},
            {"provider": "sendgrid", "enabled": "perhaps", "config": {"apiKey": "k"}},
            {"provider": ["smtp"], "config": {}},
        ],
    )
    def test_a_malformed_provider_is_refused(self, item: dict[str, object]) -> None:
        with pytest.raises(NotImportable):
            messagepipe([item])

    def test_secret_values_are_masked(self) -> None:
        assert canaries.found_in(json.dumps(masked(messagepipe(PROVIDERS).entries))) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "emailDeliveryService", "NodeMailer", "sendgrid", "message", "providers", "smtp", "override",
                        "config", "host", "port", "auth", "user", "pass", "tls", "ca", "secure", "provider", "apiKey",
                        "url", "id", "name", "priority", "email", "senderEmail", "service", "enabled",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=14,
    ),
    st.sampled_from([None, *Format]),
)  # fmt: skip
def test_every_value_is_converted_or_refused(value: object, format_: Format | None) -> None:
    try:
        _, found = convert(json.dumps(value), format_)
    except NotImportable:
        return
    assert all(isinstance(entry, str) for entry in found.entries.values())
