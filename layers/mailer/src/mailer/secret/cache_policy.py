"""How long a reading of a project's secret may be used, and whether it is older than a known change."""

from typing import assert_never

from mailer.ledger.epoch import Epoch
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
    UseProjectRelay,
    UseServer,
)

# If the service gets no news of an edit, a relay that was switched on or off takes effect after this time.
SENDABLE_SECONDS = 5.0
INVALID_SECONDS = 60.0
_UNAVAILABLE_SECONDS = 1.0


def longest_use(resolution: Resolution) -> float:
    """Return for how many seconds a reading with this resolution may be used."""
    match resolution:
        case UseServer() | UseProjectRelay():
            return SENDABLE_SECONDS
        case ConfigurationInvalid():
            return INVALID_SECONDS
        case ConfigurationUnavailable():
            return _UNAVAILABLE_SECONDS
        case unreachable:
            assert_never(unreachable)


def is_outdated(answer: SecretAnswer, epoch: Epoch, *, now: float) -> bool:
    """Whether the store returned a state from before the last change over the API.

    Such a change always leaves a version. Another version than the stored one may come from a later edit. An admin can
    also restore an old state. That cannot be told from an outdated answer, until CloudTrail reports the edit or the
    store has settled.
    """
    if not epoch.is_settling(now=now):
        return False
    match answer:
        case SecretPresent(_, version_id):
            return version_id in epoch.replaced
        case SecretAbsent() | SecretUnusable():
            return True
        case SecretUnavailable() | SecretNotRead():
            return False
        case unreachable:
            assert_never(unreachable)
