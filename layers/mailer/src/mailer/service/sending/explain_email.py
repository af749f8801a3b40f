"""Explain how a draft would be sent, with the functions that sending uses. Nothing is sent."""

from datetime import datetime
from functools import partial

import msgspec

from mailer.errors import LedgerUnavailable, MailerError
from mailer.message.address import Address
from mailer.message.compose import envelope_recipients
from mailer.message.draft import Draft, StoredDraft, TemplateUse
from mailer.message.stage import PRODUCTION, Stage, on_stage
from mailer.ports import Ledger, SecretStore, TemplateStore
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.secret.resolution import ConfigurationInvalid, ConfigurationUnavailable
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.complete_draft import complete_draft
from mailer.service.sending.compose_message import compose_message
from mailer.service.sending.decide import Decision, decide, demand_preferred
from mailer.service.sending.quota import demand_possible
from mailer.settings import Settings


class Explanation(msgspec.Struct, frozen=True):
    """The decision and facts about the message, or the error that sending would raise."""

    outcome: Decision | MailerError
    warnings: tuple[Problem, ...] = ()
    recipients: tuple[Address, ...] = ()
    size: int | None = None
    stage: Stage = PRODUCTION


def explain_email(
    draft: Draft,
    project_id: ProjectId,
    *,
    settings: Settings,
    secrets: SecretStore,
    ledger: Ledger,
    templates: TemplateStore,
    now: datetime,
    id: str,
    deadline: float,
    use: TemplateUse | None = None,
) -> Explanation:
    """Decide and compose. An error that sending would raise is returned in the outcome."""
    try:
        configured = read_configuration(
            project_id, settings=settings, secrets=secrets, ledger=ledger, deadline=deadline
        )
    except LedgerUnavailable as error:
        return Explanation(error)
    match configured.resolution:
        case ConfigurationInvalid() | ConfigurationUnavailable():
            warnings: tuple[Problem, ...] = ()
        case resolved:
            warnings = resolved.warnings
    try:
        draft = complete_draft(draft, use, find=partial(templates.get, project_id))
        demand_preferred(draft, configured.resolution)
        decision = decide(draft, configured.resolution, server_senders=settings.server_senders)
        demand_possible(decision, len(envelope_recipients(draft)), now=now.timestamp())
    except MailerError as error:
        return Explanation(error, warnings)
    stage = settings.stage
    message = compose_message(StoredDraft(on_stage(draft, stage), now), decision, identity=id)
    return Explanation(decision, warnings, message.recipients, message.size, stage)
