"""The transport of a project, for every answer of the secret store."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    Resolution,
    SecretAbsent,
    SecretAnswer,
    SecretNotRead,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    ServerReason,
    Unavailability,
    UseProjectRelay,
    UseServer,
    resolve,
)

from tests.core.secret.test_secret_properties import ENTRIES, PLAUSIBLE, random_entries
from tests.core.secret_texts import POLICY, VALID, own_relay, secret

UNUSABLE = SecretUnusable(Problem("secret-without-value", "Give the secret a value."))


def present(text: str) -> SecretPresent:
    return SecretPresent(SecretStr(text), "version-1")


def resolved(answer: SecretAnswer, *, allow_project_smtp: bool = True, policy: RelayPolicy = POLICY) -> Resolution:
    return resolve(allow_project_smtp=allow_project_smtp, answer=answer, policy=policy)


EVERY_ANSWER: list[SecretAnswer] = [
    SecretNotRead(),
    SecretAbsent(),
    present(secret()),
    present("{}"),
    present(secret(smtpPort="")),
    UNUSABLE,
    *(SecretUnavailable(reason) for reason in Unavailability),
]


def test_a_project_without_a_secret_uses_the_server() -> None:
    assert resolved(SecretAbsent()) == UseServer(ServerReason.NO_PROJECT_RELAY)


def test_a_secret_without_a_transport_uses_the_server_and_has_a_version() -> None:
    assert resolved(present('{"other": "x"}')) == UseServer(ServerReason.NO_PROJECT_RELAY, version_id="version-1")


def test_entries_without_a_host_cause_warnings() -> None:
    found = resolved(present('{"smtpPort": "587"}'))

    assert isinstance(found, UseServer)
    assert [warning.entry for warning in found.warnings] == ["smtpPort"]


def test_a_valid_secret_uses_the_projects_relay() -> None:
    found = resolved(present(secret()))

    assert isinstance(found, UseProjectRelay)
    relay = own_relay(found.configuration)
    assert relay is not None
    assert relay.host == "smtp.example.com"
    assert found.version_id == "version-1"


def test_an_invalid_secret_has_problems_and_no_transport() -> None:
    found = resolved(present(secret(smtpPort="x")))

    assert isinstance(found, ConfigurationInvalid)
    assert [problem.entry for problem in found.problems] == ["smtpPort"]
    assert found.version_id == "version-1"


def test_a_secret_without_readable_text_is_invalid() -> None:
    assert resolved(UNUSABLE) == ConfigurationInvalid((UNUSABLE.problem,))


@pytest.mark.parametrize("reason", Unavailability)
def test_a_store_without_an_answer_is_unavailable(reason: Unavailability) -> None:
    assert resolved(SecretUnavailable(reason)) == ConfigurationUnavailable(reason)


def test_a_secret_that_was_not_read_is_unavailable() -> None:
    assert isinstance(resolved(SecretNotRead()), ConfigurationUnavailable)


@pytest.mark.parametrize("answer", EVERY_ANSWER, ids=lambda answer: type(answer).__name__)
def test_the_operators_switch_uses_the_server_for_every_secret(answer: SecretAnswer) -> None:
    assert resolved(answer, allow_project_smtp=False) == UseServer(ServerReason.DISABLED_BY_OPERATOR)


def test_only_an_absent_or_inactive_secret_uses_the_server() -> None:
    to_the_server = [answer for answer in EVERY_ANSWER if isinstance(resolved(answer), UseServer)]

    assert to_the_server == [SecretAbsent(), present("{}")]


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '"x"', '{"smtpHost": "a", "smtpHost": "b"}', '{"smtp_host": "a"}']
)
def test_an_unreadable_secret_is_invalid(text: str) -> None:
    assert isinstance(resolved(present(text)), ConfigurationInvalid)


def test_an_answer_of_an_unknown_type_raises() -> None:
    with pytest.raises(AssertionError):
        resolve(allow_project_smtp=True, answer=None, policy=POLICY)  # type: ignore[arg-type]  # an answer that the type checker does not know


@given(ENTRIES, PLAUSIBLE)
def test_no_secret_with_a_host_uses_the_server(entries: dict[str, object], host: object) -> None:
    entries.setdefault("smtpHost", host)

    assert not isinstance(resolved(present(json.dumps(entries))), UseServer)


@given(st.text())
def test_any_text_has_a_resolution(text: str) -> None:
    assert isinstance(resolved(present(text)), UseServer | UseProjectRelay | ConfigurationInvalid)


def test_ten_thousand_random_secrets_with_a_host_never_use_the_server() -> None:
    generator = random.Random(12)
    outcomes: dict[type, int] = {}

    for _ in range(10_000):
        entries = {"smtpHost": generator.choice([VALID["smtpHost"], "", None, 7]), **random_entries(generator)}
        outcome = type(resolved(present(json.dumps(entries))))
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    assert set(outcomes) == {UseProjectRelay, ConfigurationInvalid}
