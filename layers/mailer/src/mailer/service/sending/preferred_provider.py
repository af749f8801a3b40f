"""Check that the project has the provider that a message prefers."""

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
    """Raise `InvalidRequest` where the preferred provider is not an enabled one of the project.

    This is checked on acceptance only: if the provider is removed later, the others send the message.
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
