"""Whether the project has the provider that a message asks for first."""

from typing import assert_never

from mailer.errors import InvalidRequest
from mailer.message.draft import Draft
from mailer.problem import Problem
from mailer.secret.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    Resolution,
    UseProjectRelay,
    UseServer,
)


def demand_preferred(draft: Draft, resolution: Resolution) -> None:
    """Raise `InvalidRequest` where the message prefers a provider that is not among the project's enabled ones.

    Asked when a message is accepted: one that is gone later is no reason not to send by the others.
    """
    preferred = draft.preferred_provider
    if preferred is None:
        return
    match resolution:
        case UseProjectRelay(configuration):
            if any(provider.id == preferred for provider in configuration.chain):
                return
            remedy = "Name an enabled provider of the project by its id, or leave the field out."
        case UseServer():
            remedy = "Leave the field out: the project's mail leaves by the server transport, not by its own providers."
        case ConfigurationInvalid() | ConfigurationUnavailable():
            return
        case unreachable:
            assert_never(unreachable)
    raise InvalidRequest(Problem("unknown-provider", remedy, pointer="/preferred_provider"))
