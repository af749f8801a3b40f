"""MessagePipe's e-mail providers, row by row: P1 to P8."""

import json
from collections.abc import Callable

import pytest
from mailer.adapters.aws.session import AwsSession
from mailer.ledger.record import State
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import PasswordAuth, Relay
from mailer.secret.entries import Entries
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.secret.provider.provider_list import read_providers
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.secret.provider.ses import SesAccount
from mailer.smtp.outcome import (
    Accepted,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import make_reply
from mailer.system_email.event import EventType
from mailer.token import Principal

from functions.authorize.app import create_handler as create_authorizer
from tests import fakes
from tests.support import canaries, fake_mailgun
from tests.support.certificates import authority
from tests.support.fake_aws import FakeAws, success
from tests.support.fake_mailgun import FakeMailgun
from tests.support.fake_sendgrid import FakeSendgrid
from tests.support.faulty_relay import Relay as FaultyRelay
from tests.support.faulty_relay import Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.projects import ACME
from tests.support.provider_stage import provider_apis, verdict
from tests.support.provider_stage import send as send_by_api
from tests.support.seed_stage import Answered, SeedStage
from tests.support.sending import RELAY_NAME, make_message, send, smtp_transport

type Make = Callable[..., SeedStage]
MESSAGE = {"to": "ada@example.net", "subject": "Hello", "text": "Hi"}
SENDER = {"senderEmail": "noreply@yourcompany.example", "senderName": "Your Company Name", "enabled": True}
CONFIGS: dict[str, dict[str, object]] = {
    "sendgrid": {"apiKey": canaries.API_KEY},
    "mailgun": {"apiKey": canaries.API_KEY, "domain": "mg.acme.example"},
    "ses": {"accessKeyId": "AKIAPROJECT", "secretAccessKey": canaries.API_KEY, "region": "us-east-1"},
    "smtp": {
        "host": "smtp.gmail.com",
        "port": 587,
        "secure": False,
        "auth": {"user": "your-email@gmail.com", "pass": "your-app-password"},
        "tls": {"rejectUnauthorized": True},
    },
}
ANYWHERE = RelayPolicy(ports=((1, 65535),))


@pytest.fixture
def fresh(make: Make) -> SeedStage:
    """A project without a secret."""
    return make(None)


def config(stage: SeedStage, case: str, body: object = None, **changes: object) -> Answered:
    return stage.configure(f"messagepipe_{case}", body, **changes)


def add(stage: SeedStage, kind: str = "sendgrid", priority: int = 1, **changes: object) -> Answered:
    body = {"provider": kind, "name": kind, "enabled": True, "priority": priority, "config": CONFIGS[kind], **changes}
    return config(stage, "add_provider", body)


def account(kind: str, **changes: object) -> object:
    """Return the configuration of the only provider, as the service reads it."""
    item = {"id": "one", "provider": kind, "priority": 1, "config": {**CONFIGS[kind], **changes}}
    read = Entries({"emailProviders": [item]})
    providers = read_providers(read, ANYWHERE)
    assert providers is not None, read.problems
    return providers[0].config


def test_P1_sendgrid_accepts_a_message_with_the_api_key() -> None:
    with FakeSendgrid() as fake, provider_apis() as apis:
        found = account("sendgrid", baseUrl=fake.base_url, caCertificate=authority().pem)
        assert isinstance(found, SendgridAccount)
        assert isinstance(verdict(send_by_api(apis, found)), Accepted)

    assert len(fake.messages) == 1


def test_P1_mailgun_accepts_a_message_with_the_api_key_for_the_domain() -> None:
    with FakeMailgun() as fake, provider_apis() as apis:
        found = account("mailgun", baseUrl=fake.base_url, caCertificate=authority().pem, domain=fake_mailgun.DOMAIN)
        assert isinstance(found, MailgunAccount)
        assert isinstance(verdict(send_by_api(apis, found)), Accepted)

    assert len(fake.forms) == 1


def test_P1_ses_accepts_a_message_with_the_projects_own_keys_and_region() -> None:
    found = account("ses")
    assert isinstance(found, SesAccount)
    aws = FakeAws(lambda _: success(MessageId="1"))
    with aws as fake, provider_apis(session=AwsSession(endpoint_url=fake.url)) as apis:
        assert isinstance(verdict(send_by_api(apis, found)), Accepted)

    signed = fake.requests[0].headers["authorization"]
    assert "Credential=AKIAPROJECT/" in signed
    assert "/us-east-1/ses/" in signed


def test_P1_an_smtp_server_accepts_a_message_over_verified_tls() -> None:
    script = FaultyRelay(tls=Tls.STARTTLS, context=authority().valid(RELAY_NAME), credentials=("user", "pass"))
    with HostileRelay(script) as server, smtp_transport() as transport:
        found = account(
            "smtp",
            host=RELAY_NAME,
            port=server.port,
            auth={"user": "user", "pass": "pass"},
            tls={"rejectUnauthorized": True, "ca": authority().pem},
        )
        assert isinstance(found, Relay)
        assert isinstance(found.auth, PasswordAuth)
        send(transport, found, make_message())

    assert [message.tls for message in server.messages] == [True]


def test_P1_certificates_are_verified_and_this_cannot_be_switched_off(fresh: SeedStage) -> None:
    config(fresh, "create_sender", SENDER)

    answer = add(fresh, "smtp", config={**CONFIGS["smtp"], "tls": {"rejectUnauthorized": False}})

    assert answer.status == 400
    assert "rejectUnauthorized" in json.dumps(answer.body["problems"])


def test_P2_a_provider_needs_the_configuration_first(fresh: SeedStage) -> None:
    assert add(fresh).status == 404
    created = config(fresh, "create_sender", SENDER)
    assert (created.status, created.body) == (201, SENDER)
    assert add(fresh).status == 201


def test_P3_the_configuration_is_shown_and_changed(fresh: SeedStage) -> None:
    config(fresh, "create_sender", SENDER)
    changed = {"senderEmail": "hello@yourcompany.example", "senderName": "Updated Company Name", "enabled": True}

    assert config(fresh, "show_sender").body == SENDER
    assert config(fresh, "change_sender", changed).status == 200
    assert config(fresh, "show_sender").body == changed


@pytest.mark.parametrize("kind", CONFIGS)
def test_P4_an_added_provider_is_answered_without_its_configuration(fresh: SeedStage, kind: str) -> None:
    config(fresh, "create_sender", SENDER)

    answer = add(fresh, kind)

    assert answer.status == 201
    assert set(answer.body) == {"id", "provider", "name", "enabled", "priority", "createdAt"}
    assert (answer.body["provider"], answer.body["enabled"], answer.body["priority"]) == (kind, True, 1)
    assert canaries.found_in(json.dumps(answer.body)) == []


def test_P5_providers_are_listed_changed_and_deleted(fresh: SeedStage) -> None:
    config(fresh, "create_sender", SENDER)
    made = add(fresh).body["id"]
    change = {
        "name": "Updated SendGrid Config",
        "enabled": True,
        "priority": 2,
        "config": {"apiKey": "updated-api-key"},
    }

    assert config(fresh, "change_provider", change, providerId=made).status == 200
    [listed] = config(fresh, "list_providers").body
    assert (listed["id"], listed["name"], listed["priority"]) == (made, "Updated SendGrid Config", 2)
    assert config(fresh, "remove_provider", providerId=made).status == 200
    assert config(fresh, "list_providers").body == []


@pytest.mark.parametrize(
    "route",
    [
        "GET /email-config",
        "POST /email-config",
        "PUT /email-config",
        "GET /email-config/providers",
        "POST /email-config/providers",
        "PUT /email-config/providers/{providerId}",
        "DELETE /email-config/providers/{providerId}",
    ],
)
def test_P6_every_route_accepts_a_bearer_token_only(route: str) -> None:
    principal = Principal(ACME, frozenset({"email-config:write"}), "client")
    handler = create_authorizer(verifier=fakes.FakeTokenVerifier({"jwt": principal}), log=NoLog())

    answers = [
        handler({"routeKey": route, "headers": headers}, None)["isAuthorized"]
        for headers in ({"authorization": "Bearer jwt"}, {"authorization": "Bearer other"}, {})
    ]

    assert answers == [True, False, False]


def test_P6_a_token_is_valid_only_for_its_project_and_scope(fresh: SeedStage) -> None:
    assert config(fresh, "show_sender", query={"projectId": "other"}).status == 403
    assert config(fresh, "create_sender", SENDER, claims={"scope": "email:send"}).status == 403


def chain(stage: SeedStage, *kinds: str) -> list[str]:
    """Add three providers, not in the order of their priority, and return their ids by priority."""
    config(stage, "create_sender", SENDER)
    ids = {priority: add(stage, kinds[priority - 1], priority).body["id"] for priority in (3, 1, 2)}
    return [ids[priority] for priority in (1, 2, 3)]


NOT_ACCEPTED: list[Verdict] = [
    Deferred(Failure(Phase.CONNECT, Cause.REFUSED)),
    Deferred(Failure(Phase.FINAL, Cause.THROTTLED, make_reply(451, "later"))),
    RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "no"))),
]


@pytest.mark.parametrize("first", NOT_ACCEPTED)
def test_P7_the_next_provider_gets_a_message_that_the_first_provably_did_not_accept(
    fresh: SeedStage, first: Verdict
) -> None:
    ids = chain(fresh, "sendgrid", "mailgun", "smtp")
    fresh.office.api.verdict = first

    answer = fresh.send("send.project_relay", MESSAGE)

    [record] = fresh.office.ledger.records
    assert answer.body["status"] == "sent"
    assert [attempt.provider for attempt in record.attempts] == ids
    assert [type(sent.account) for sent in fresh.office.api.sends] == [SendgridAccount, MailgunAccount]
    assert [sent.relay.host for sent in fresh.office.relay.sends] == ["smtp.gmail.com"]


@pytest.mark.parametrize(
    "first",
    [
        Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST)),
        Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "5.7.1 spam"))),
    ],
)
def test_P7_an_accepted_unknown_or_rejected_message_goes_to_no_other_provider(fresh: SeedStage, first: Verdict) -> None:
    chain(fresh, "sendgrid", "mailgun", "smtp")
    fresh.office.api.verdict = first

    fresh.send("send.project_relay", MESSAGE)

    assert len(fresh.office.api.sends) == 1
    assert (fresh.office.relay.sends, fresh.office.server.requests) == ([], [])


def test_P7_the_chain_does_not_contain_the_server_transport(fresh: SeedStage) -> None:
    chain(fresh, "sendgrid", "mailgun", "smtp")
    refused = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
    fresh.office.api.verdict = fresh.office.relay.verdict = refused

    assert fresh.send("send.project_relay", MESSAGE).status == 503
    assert fresh.office.server.requests == []


def test_P8_a_disabled_project_sends_nothing_and_holds_system_mail(fresh: SeedStage) -> None:
    config(fresh, "create_sender", SENDER)
    config(fresh, "change_sender", {**SENDER, "enabled": False})

    assert fresh.send("send.project_relay", MESSAGE).status == 400
    assert fresh.announce(EventType.PASSWORD_RESET_REQUESTED).state is State.HELD
    assert fresh.is_untouched


def test_P8_a_disabled_provider_is_skipped(fresh: SeedStage) -> None:
    config(fresh, "create_sender", SENDER)
    add(fresh, "sendgrid", 1, enabled=False)
    add(fresh, "mailgun", 2)

    fresh.send("send.project_relay", MESSAGE)

    assert [type(sent.account) for sent in fresh.office.api.sends] == [MailgunAccount]


def test_P8_an_invalid_enabled_provider_stops_the_project_and_is_not_skipped(make: Make) -> None:
    items = [
        {"id": "broken", "provider": "sendgrid", "priority": 1, "config": {}},
        {"id": "good", "provider": "mailgun", "priority": 2, "config": CONFIGS["mailgun"]},
    ]
    stage = make(json.dumps({"smtpFromAddress": "noreply@yourcompany.example", "emailProviders": items}))

    answer = stage.send("send.project_relay", MESSAGE)

    assert (answer.status, answer.body["problems"][0]["entry"]) == (400, "emailProviders.broken.apiKey")
    assert stage.is_untouched


class NoLog:
    """Keeps nothing."""

    def info(self, msg: str, *, reason: str) -> None:
        pass
