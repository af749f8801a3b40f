"""Carry out an admin's choice about the held messages of a project."""

import msgspec

from mailer.errors import LedgerUnavailable, ProjectSmtpInvalid, SecretsUnavailable
from mailer.ledger.held import HeldChoice
from mailer.ports import ConfigurationPorts
from mailer.project import ProjectId
from mailer.secret.resolution import ConfigurationInvalid, ConfigurationUnavailable, ServerReason, UseServer
from mailer.service.configuring.epochs import record_choice
from mailer.service.configuring.show_configuration import count_held
from mailer.service.read_configuration import read_configuration


class HeldChosen(msgspec.Struct, frozen=True):
    """The choice that was recorded, and the number of messages that were held then; None if it is not known."""

    choice: HeldChoice
    held: int | None


def choose_held(project_id: ProjectId, choice: HeldChoice, *, ports: ConfigurationPorts, deadline: float) -> HeldChosen:
    """Send, cancel or keep the messages that are held now.

    `SEND` uses the project's own transport if it has one, otherwise the server transport. It raises
    `ProjectSmtpInvalid` and `SecretsUnavailable` if neither may be used now. Raises `LedgerUnavailable`.
    """
    held = count_held(project_id, ports.ledger)
    configured = read_configuration(
        project_id,
        settings=ports.settings,
        secrets=ports.secrets,
        ledger=ports.ledger,
        deadline=deadline,
        refresh=True,
    )
    match configured.resolution:
        case ConfigurationInvalid(problems) if choice is HeldChoice.SEND:
            raise ProjectSmtpInvalid(problems)
        case ConfigurationUnavailable() if choice is HeldChoice.SEND:
            raise SecretsUnavailable
        case ConfigurationInvalid(is_only_off=True) | UseServer(ServerReason.NO_PROJECT_RELAY):
            record_choice(project_id, choice, ports, is_removed=True)
        case _:
            # To send or to keep is no choice for the server transport: a later removal of the transport asks again.
            record_choice(project_id, choice, ports, is_removed=False)
    ports.validations.send([project_id])
    return HeldChosen(choice, held)


def choose_for_removed(project_id: ProjectId, choice: HeldChoice, ports: ConfigurationPorts) -> None:
    """Record the choice that came with a removal that had nothing to remove; raises `LedgerUnavailable`.

    To keep the messages is the default, so nothing is recorded for it unless it replaces another choice.
    """
    if choice is HeldChoice.KEEP and ports.ledger.epoch(project_id).held is None:
        return
    try:
        record_choice(project_id, choice, ports, is_removed=True)
    except LedgerUnavailable:
        raise choice_not_recorded() from None
    ports.validations.send([project_id])


def choice_not_recorded() -> LedgerUnavailable:
    """Return the error of a change whose choice about held messages could not be recorded."""
    return LedgerUnavailable(
        "The configuration is changed, but the choice about held messages could not be recorded, so they stay held. "
        "Give the choice again with POST email-config/held."
    )
