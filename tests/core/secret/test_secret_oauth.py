"""The entries for OAuth 2.0: grant, secrets, edits."""

import json
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.relay.https_url import HttpsUrl, InvalidUrl, parse_https_url
from mailer.relay.policy import RelayPolicy, parse_network
from mailer.relay.relay import OAuthAuth, TokenGrant
from mailer.relay.secret_str import SecretStr
from mailer.secret.edit import Edited, edit_entries
from mailer.secret.parser import Activates, Malformed
from mailer.secret.view import describe_entries

from tests.core.secret_texts import POLICY, VALID, faults, own_relay, relay_of, secret, warnings

TOKEN_URL = "https://login.example.com/tenant/token"
CLIENT_SECRET, REFRESH_TOKEN = "kl8Q~canary-secret", "0.AXoA-canary-refresh"
OAUTH: Mapping[str, object] = {
    **{name: value for name, value in VALID.items() if name != "smtpPassword"},
    "smtpAuth": "oauth2",
    "smtpUsername": "hello@acme.example",
    "smtpOauthTokenUrl": TOKEN_URL,
    "smtpOauthClientId": "client-id",
    "smtpOauthClientSecret": CLIENT_SECRET,
}
MICROSOFT = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
MICROSOFT_SCOPE = "https://outlook.office365.com/.default"
URL = HttpsUrl("login.example.com", 443, "/tenant/token")


def oauth(*without: str, **entries: object) -> str:
    return json.dumps({name: value for name, value in {**OAUTH, **entries}.items() if name not in without})


def grant_of(text: str, policy: RelayPolicy = POLICY) -> TokenGrant:
    auth = relay_of(text, policy).auth
    assert isinstance(auth, OAuthAuth)
    return auth.grant


def test_a_grant_uses_the_clients_credentials() -> None:
    assert relay_of(oauth()).auth == OAuthAuth(
        "hello@acme.example", TokenGrant(URL, "client-id", SecretStr(CLIENT_SECRET), None, None)
    )


def test_a_grant_uses_the_refresh_token_if_there_is_one() -> None:
    grant = grant_of(oauth(smtpOauthRefreshToken=REFRESH_TOKEN, smtpOauthScope=" a  b "))

    assert grant == TokenGrant(URL, "client-id", SecretStr(CLIENT_SECRET), "a  b", SecretStr(REFRESH_TOKEN))


def test_a_public_client_has_a_refresh_token_and_no_secret() -> None:
    grant = grant_of(oauth("smtpOauthClientSecret", smtpOauthRefreshToken=REFRESH_TOKEN))

    assert (grant.client_secret, grant.refresh_token) == (None, SecretStr(REFRESH_TOKEN))


@pytest.mark.parametrize("name", ["smtpUsername", "smtpOauthTokenUrl", "smtpOauthClientId", "smtpOauthClientSecret"])
@pytest.mark.parametrize("value", [None, ""])
def test_each_part_of_a_grant_is_required(name: str, value: str | None) -> None:
    text = oauth(name) if value is None else oauth(**{name: value})

    assert faults(text) == [(name, "entry-missing")]


def test_all_missing_entries_are_named_together() -> None:
    assert faults(oauth("smtpOauthTokenUrl", "smtpOauthClientId", "smtpOauthClientSecret")) == [
        ("smtpOauthClientId", "entry-missing"),
        ("smtpOauthClientSecret", "entry-missing"),
        ("smtpOauthTokenUrl", "entry-missing"),
    ]


def test_a_password_with_oauth2_is_invalid() -> None:
    assert faults(oauth(smtpPassword="x")) == [("smtpPassword", "auth-conflict")]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://login.example.com/token", "url-not-https"),
        ("login.example.com/token", "url-not-https"),
        ("file:///etc/passwd", "url-not-https"),
        ("https:/login.example.com", "url-not-https"),
        ("https://", "url-malformed"),
        ("https:///token", "url-malformed"),
        ("https://user:pass@login.example.com/token", "url-malformed"),
        ("https://login.example.com@169.254.169.254/token", "url-malformed"),
        ("https://login.example.com/token#x", "url-malformed"),
        ("https://login.example.com/to ken", "url-malformed"),
        ("https://login.example.com\\@evil.example/", "url-malformed"),
        ("https://login.example.com:0/", "url-malformed"),
        ("https://login.example.com:/", "url-malformed"),
        ("https://login.example.com:0443/", "url-malformed"),
        ("https://login.example.com:443443/", "url-malformed"),
        ("https://login.example.com?x=https://a/", "url-malformed"),
        ("https://login.example.com./token", "url-malformed"),
        ("https://log_in.example.com/token", "url-malformed"),
        ("https://login.example.com/\u043f", "url-malformed"),
        ("https://[::1]/", "url-malformed"),
        ("https://0x7f000001/", "url-malformed"),
        ("https://127.0.0.1/", "url-not-allowed"),
        ("https://169.254.169.254/latest", "url-not-allowed"),
        ("https://localhost/token", "url-not-allowed"),
        ("https://metadata.google.internal/", "url-not-allowed"),
        ("https://login.example.com:8443/", "url-port-not-allowed"),
        ("https://login.example.com:99999/", "url-port-not-allowed"),
        ("https://login.example.com/" + "x" * 2048, "url-malformed"),
    ],
)
def test_the_token_url_is_a_public_https_address(url: str, code: str) -> None:
    assert faults(oauth(smtpOauthTokenUrl=url)) == [("smtpOauthTokenUrl", code)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (TOKEN_URL, URL),
        (" HTTPS://Login.Example.COM:443/tenant/token ", URL),
        ("https://login.example.com", HttpsUrl("login.example.com")),
        ("https://login.example.com/t?p=b2c_1", HttpsUrl("login.example.com", 443, "/t?p=b2c_1")),
        ("https://login.example.com:587/t", HttpsUrl("login.example.com", 587, "/t")),
        ("https://b\u00fccher.example/t", HttpsUrl("xn--bcher-kva.example", 443, "/t")),
    ],
)
def test_an_address_has_one_canonical_form(url: str, expected: HttpsUrl) -> None:
    assert grant_of(oauth(smtpOauthTokenUrl=url)).token_url == expected


@pytest.mark.parametrize("host", ["10.1.2.3", "idp", "idp.internal"])
def test_the_ranges_of_relays_allow_no_token_url(host: str) -> None:
    policy = RelayPolicy(networks=(parse_network("10.0.0.0/8"),))

    assert faults(oauth(smtpOauthTokenUrl=f"https://{host}/t"), policy) == [("smtpOauthTokenUrl", "url-not-allowed")]


def test_the_ranges_for_https_allow_token_urls_and_no_relays() -> None:
    policy = RelayPolicy(https_networks=(parse_network("10.0.0.0/8"),))

    assert faults(secret(smtpHost="10.1.2.3"), policy) == [("smtpHost", "host-not-allowed")]

    assert grant_of(oauth(smtpOauthTokenUrl="https://10.1.2.3/t"), policy).token_url == HttpsUrl("10.1.2.3", 443, "/t")


@given(st.text(max_size=60) | st.from_regex(r"https://[a-z0-9.@:\[\]\\/?#-]{1,40}", fullmatch=True))
@settings(max_examples=300)
def test_a_parsed_address_parses_to_itself(text: str) -> None:
    with suppress(InvalidUrl):
        url = parse_https_url(text, POLICY)
        assert parse_https_url(str(url), POLICY) == url


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ({"smtpOauthClientId": "x" * 513}, ("smtpOauthClientId", "client-id-malformed")),
        ({"smtpOauthClientId": "\u043a\u043b\u0438\u0435\u043d\u0442"}, ("smtpOauthClientId", "client-id-malformed")),
        ({"smtpOauthClientId": " "}, ("smtpOauthClientId", "entry-blank")),
        ({"smtpOauthClientId": 7}, ("smtpOauthClientId", "entry-type")),
        ({"smtpOauthScope": 'a "b"'}, ("smtpOauthScope", "scope-malformed")),
        ({"smtpOauthScope": "a\\b"}, ("smtpOauthScope", "scope-malformed")),
        ({"smtpOauthScope": "x" * 2049}, ("smtpOauthScope", "scope-malformed")),
        ({"smtpOauthClientSecret": "a\nb"}, ("smtpOauthClientSecret", "control-character")),
        ({"smtpOauthClientSecret": 7}, ("smtpOauthClientSecret", "entry-type")),
        ({"smtpOauthRefreshToken": "a\nb"}, ("smtpOauthRefreshToken", "control-character")),
        ({"smtpOauthTokenUrl": MICROSOFT}, ("smtpOauthScope", "entry-missing")),
    ],
    ids=str,
)
def test_a_value_that_no_endpoint_accepts_is_invalid(entries: Mapping[str, object], fault: tuple[str, str]) -> None:
    assert faults(oauth(**entries)) == [fault]


@pytest.mark.parametrize("name", ["smtpOauthClientSecret", "smtpOauthRefreshToken"])
def test_a_secret_with_spaces_is_kept_with_a_warning(name: str) -> None:
    text = oauth(**{name: " x "})
    grant = grant_of(text)

    assert SecretStr(" x ") in (grant.client_secret, grant.refresh_token)
    assert warnings(text) == [(name, "credential-space")]


@pytest.mark.parametrize(
    ("entries", "warning"),
    [
        ({"smtpOauthScope": "https://graph.microsoft.com/.default"}, ("smtpOauthScope", "scope-unusual")),
        (
            {"smtpOauthScope": "offline_access", "smtpOauthRefreshToken": REFRESH_TOKEN},
            ("smtpOauthRefreshToken", "refresh-token-expires"),
        ),
    ],
)
def test_likely_mistakes_for_microsoft_cause_warnings(entries: Mapping[str, object], warning: tuple[str, str]) -> None:
    assert warnings(oauth(smtpOauthTokenUrl=MICROSOFT, **entries)) == [warning]


def test_a_from_that_is_not_the_oauth_account_causes_a_warning() -> None:
    text = oauth(
        "smtpHost", "smtpPort", smtpService="office365", smtpOauthTokenUrl=MICROSOFT, smtpOauthScope=MICROSOFT_SCOPE
    )

    assert warnings(text) == []
    assert warnings(text.replace('"hello@acme', '"other@acme')) == [("smtpFromAddress", "from-not-the-account")]


def test_oauth_entries_have_no_effect_with_another_auth() -> None:
    text = json.dumps({**OAUTH, "smtpAuth": "password", "smtpPassword": "x"})

    assert {code for _, code in warnings(text)} == {"entry-without-effect"}


def test_a_grant_shows_no_secret() -> None:
    shown = repr(relay_of(oauth(smtpOauthRefreshToken=REFRESH_TOKEN)))

    assert CLIENT_SECRET not in shown
    assert REFRESH_TOKEN not in shown


@pytest.mark.parametrize("name", ["smtpUsername", "smtpOauthTokenUrl", "smtpOauthClientId", "smtpOauthScope"])
@pytest.mark.parametrize("secret", [CLIENT_SECRET, REFRESH_TOKEN])
def test_an_entry_that_contains_a_secret_is_hidden(name: str, secret: str) -> None:
    described = describe_entries(oauth(smtpOauthRefreshToken=REFRESH_TOKEN, **{name: f"x{secret}y"}))

    assert described is not None
    assert described[name] == {"set": True}
    assert secret not in json.dumps(described)


def test_entries_without_secrets_are_shown() -> None:
    described = describe_entries(oauth(smtpOauthScope="a b"))

    assert described is not None
    assert (described["smtpOauthTokenUrl"], described["smtpOauthClientId"]) == (TOKEN_URL, "client-id")
    assert described["smtpOauthClientSecret"] == {"set": True}


def edit(given_entries: Mapping[str, object], **stored: object) -> Edited:
    before = {**OAUTH, "smtpOauthRefreshToken": REFRESH_TOKEN, **stored}
    return edit_entries(SecretStr(json.dumps(before)), given_entries, POLICY)


WITHOUT_SECRETS: Mapping[str, object] = {
    name: value for name, value in OAUTH.items() if name != "smtpOauthClientSecret"
}
SHOWN: Mapping[str, object] = {
    **OAUTH, "smtpOauthClientSecret": {"set": True}, "smtpOauthRefreshToken": {"set": True},
}  # fmt: skip


@pytest.mark.parametrize("given_entries", [WITHOUT_SECRETS, SHOWN])
def test_the_secrets_are_kept_for_the_same_destination(
    given_entries: Mapping[str, object],
) -> None:
    edited = edit({**given_entries, "smtpFromName": "Acme", "smtpOauthScope": "a"})

    assert isinstance(edited.parsed, Activates)
    relay = own_relay(edited.parsed.configuration)
    assert relay is not None
    assert isinstance(relay.auth, OAuthAuth)
    assert relay.auth.grant.client_secret == SecretStr(CLIENT_SECRET)
    assert relay.auth.grant.refresh_token == SecretStr(REFRESH_TOKEN)


@pytest.mark.parametrize("given_entries", [WITHOUT_SECRETS, SHOWN])
@pytest.mark.parametrize(
    "change",
    [
        {"smtpHost": "smtp.evil.example"},
        {"smtpPort": "465"},
        {"smtpRequireTls": "false"},
        {"smtpUsername": "other@acme.example"},
        {"smtpOauthTokenUrl": "https://evil.example/token"},
        {"smtpOauthTokenUrl": "https://login.example.com/other/token"},
        {"smtpOauthTokenUrl": "https://login.example.com:587/tenant/token"},
        {"smtpOauthClientId": "other-client"},
    ],
    ids=str,
)
def test_the_secrets_are_not_kept_for_another_destination(
    given_entries: Mapping[str, object], change: Mapping[str, object]
) -> None:
    edited = edit({**given_entries, **change})

    assert isinstance(edited.parsed, Malformed)
    assert {(problem.entry, problem.code) for problem in edited.parsed.problems} >= {
        ("smtpOauthClientSecret", "entry-not-kept"),
        ("smtpOauthRefreshToken", "entry-not-kept"),
    }
    assert CLIENT_SECRET not in edited.text.reveal()
    assert REFRESH_TOKEN not in edited.text.reveal()


def test_null_removes_the_refresh_token_and_keeps_the_secret() -> None:
    edited = edit({**WITHOUT_SECRETS, "smtpOauthRefreshToken": None})

    assert isinstance(edited.parsed, Activates)
    assert REFRESH_TOKEN not in edited.text.reveal()
    assert CLIENT_SECRET in edited.text.reveal()


def test_another_auth_removes_the_oauth_secrets() -> None:
    edited = edit({**VALID, "smtpPassword": "typed"})

    assert isinstance(edited.parsed, Activates)
    assert CLIENT_SECRET not in edited.text.reveal()
    assert REFRESH_TOKEN not in edited.text.reveal()


def test_oauth2_removes_the_password() -> None:
    edited = edit_entries(SecretStr(json.dumps(VALID)), OAUTH, POLICY)

    assert isinstance(edited.parsed, Activates)
    assert str(VALID["smtpPassword"]) not in edited.text.reveal()


@given(st.dictionaries(st.sampled_from([*OAUTH, "smtpSecure", "smtpService", "smtpPassword"]), st.text() | st.none()))
@settings(max_examples=200)
def test_no_edit_sends_the_secrets_to_another_destination(changes: dict[str, object]) -> None:
    edited = edit({**SHOWN, **changes, "smtpOauthClientSecret": {"set": True}, "smtpOauthRefreshToken": {"set": True}})

    if isinstance(edited.parsed, Activates):
        relay = own_relay(edited.parsed.configuration)
        assert relay is not None
        assert (relay.host, relay.port) == ("smtp.example.com", 587)
        assert not isinstance(relay.auth, OAuthAuth) or relay.auth.grant.token_url == URL
