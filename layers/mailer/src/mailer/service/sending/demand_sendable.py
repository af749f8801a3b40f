"""Decide how a draft would be sent now, and raise the error that sending it would raise before its attempt."""

from mailer.errors import ProjectSmtpDisabled, ProjectSmtpInvalid, SecretsUnavailable
from mailer.message.draft import Draft
from mailer.ports import SendPorts
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.secret.resolution import ConfigurationInvalid, ConfigurationUnavailable, Resolution
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.decide import Decision, decide, decide_override, demand_preferred


def resolve_project(project_id: ProjectId, *, ports: SendPorts, deadline: float) -> Resolution:
    """Return the project's transport now; raises `LedgerUnavailable`."""
    return read_configuration(
        project_id, settings=ports.settings, secrets=ports.secrets, ledger=ports.ledger, deadline=deadline
    ).resolution


def demand_sendable(draft: Draft, project_id: ProjectId, *, ports: SendPorts, deadline: float) -> Decision:
    """Decide how the draft would be sent; raises the error that sending would raise before its attempt."""
    return decide_sendable(draft, resolve_project(project_id, ports=ports, deadline=deadline), ports=ports)


def decide_sendable(draft: Draft, resolution: Resolution, *, ports: SendPorts) -> Decision:
    """Decide as `demand_sendable` does, for a transport that is known already."""
    demand_preferred(draft, resolution)
    return decide(draft, resolution, server_senders=ports.settings.server_senders)


def demand_override(
    draft: Draft, override: Relay, project_id: ProjectId, ports: SendPorts, deadline: float
) -> Decision:
    """Decide by the override. The project's secret is read only to check that it does not switch all mail off.

    If the secret's problems leave that open, this raises `ProjectSmtpInvalid`.
    """
    if not ports.settings.allow_project_smtp:
        raise ProjectSmtpDisabled
    match resolve_project(project_id, ports=ports, deadline=deadline):
        case ConfigurationUnavailable():
            raise SecretsUnavailable
        case ConfigurationInvalid(problems, is_certainly_on=False):
            raise ProjectSmtpInvalid(problems)
        case _:
            return decide_override(draft, override)
