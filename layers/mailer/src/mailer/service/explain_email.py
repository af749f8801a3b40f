"""Say how a draft would leave, without sending it: the very functions that sending uses, up to the attempt."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from mailer.address import Address
from mailer.draft import Draft, StoredDraft
from mailer.errors import MailerError
from mailer.ports import SecretStore
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.resolution import ConfigurationInvalid, ConfigurationUnavailable
from mailer.service.decide import Decision, decide
from mailer.service.prepare import prepare
from mailer.service.read_configuration import read_configuration
from mailer.settings import Settings


class Explanation(msgspec.Struct, frozen=True):
    """The decision with the message it leads to, or the error that sending would end with."""

    outcome: Decision | MailerError
    warnings: tuple[Problem, ...] = ()
    recipients: tuple[Address, ...] = ()
    size: int | None = None


class ExplainPorts(msgspec.Struct, frozen=True):
    """What explaining touches: no transport."""

    settings: Settings
    secrets: SecretStore
    now: Callable[[], datetime]
    new_id: Callable[[], str]


def explain_email(draft: Draft, project_id: ProjectId, *, ports: ExplainPorts, deadline: float) -> Explanation:
    """Decide and compose; raises nothing that sending would report."""
    configured = read_configuration(project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline)
    match configured.resolution:
        case ConfigurationInvalid() | ConfigurationUnavailable():
            warnings: tuple[Problem, ...] = ()
        case resolved:
            warnings = resolved.warnings
    try:
        decision = decide(draft, configured.resolution, server_senders=ports.settings.server_senders)
    except MailerError as error:
        return Explanation(error, warnings)
    message = prepare(StoredDraft(draft, ports.now()), decision, identity=ports.new_id())
    return Explanation(decision, warnings, message.recipients, message.size)
