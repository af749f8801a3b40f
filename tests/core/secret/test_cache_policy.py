"""The cache's policy: a reading by which mail leaves is used for seconds, and none from before a known change."""

import pytest
from mailer.ledger.epoch import Epoch
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.secret.cache_policy import is_outdated, longest_use
from mailer.secret.resolution import (
    SecretAbsent,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    Unavailability,
    resolve,
)

from tests import fakes
from tests.support.projects import entries

CHANGED_AT = 1_000.0
CHANGED = Epoch(number=2, version_id="v2", changed_at=CHANGED_AT, replaced=("v0", "v1"))
UNUSABLE = SecretUnusable(Problem("secret-without-value", "Store its entries."))


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param(SecretAbsent(), 5.0, id="server transport, no secret"),
        pytest.param(fakes.secret("{}"), 5.0, id="server transport, an empty secret"),
        pytest.param(fakes.secret(entries()), 5.0, id="a relay"),
        pytest.param(fakes.secret(entries(emailEnabled="true")), 5.0, id="a relay, switched on"),
        pytest.param(fakes.secret(entries(emailEnabled="false")), 60.0, id="switched off"),
        pytest.param(fakes.secret(entries(smtpPort="mail")), 60.0, id="invalid"),
        pytest.param(UNUSABLE, 60.0, id="unusable"),
        pytest.param(SecretUnavailable(Unavailability.TIMEOUT), 1.0, id="unavailable"),
    ],
)
def test_a_reading_by_which_mail_leaves_is_used_for_five_seconds(answer: SecretAnswer, seconds: float) -> None:
    assert longest_use(resolve(allow_project_smtp=True, answer=answer, policy=RelayPolicy())) == seconds


@pytest.mark.parametrize(
    ("answer", "outdated"),
    [
        pytest.param(fakes.secret("{}", "v1"), True, id="the replaced version"),
        pytest.param(fakes.secret("{}", "v0"), True, id="an older version"),
        pytest.param(SecretAbsent(), True, id="no secret yet"),
        pytest.param(UNUSABLE, True, id="no value yet"),
        pytest.param(fakes.secret("{}", "v2"), False, id="the stored version"),
        pytest.param(fakes.secret("{}", "v3"), False, id="a later edit in the console"),
        pytest.param(SecretUnavailable(Unavailability.TIMEOUT), False, id="no answer"),
    ],
)
def test_a_state_from_before_the_last_change_is_outdated(answer: SecretAnswer, outdated: bool) -> None:
    assert is_outdated(answer, CHANGED, now=CHANGED_AT + 1) == outdated


@pytest.mark.parametrize("answer", [fakes.secret("{}", "v1"), SecretAbsent()])
def test_after_a_minute_an_old_version_was_restored_by_an_admin(answer: SecretAnswer) -> None:
    assert not is_outdated(answer, CHANGED, now=CHANGED_AT + 60)


def test_without_a_change_over_the_api_every_state_is_current() -> None:
    assert not is_outdated(SecretPresent(fakes.secret("{}").text, "v1"), Epoch(number=7), now=CHANGED_AT)
