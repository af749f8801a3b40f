"""Show and change a project's default sender, independently of its providers.

The sender is two entries of the project's secret; a third entry switches the project's mail on and off. All other
entries stay as they are. A sender that takes effect at once is validated before it is stored.
"""

import msgspec

from mailer.errors import NotFound, ProjectSmtpInvalid
from mailer.message.address import Address, InvalidAddress, parse_mailbox
from mailer.ports import ConfigurationPorts
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.secret import names
from mailer.secret.document import decode
from mailer.secret.edit import with_entries
from mailer.secret.parser import parse_switched_on
from mailer.secret.resolution import SecretPresent
from mailer.service.configuring.change_configuration import NO_PROBE, Refused, promote, read_stored, verify

_OFF = "false"


class SenderChange(msgspec.Struct, frozen=True):
    """The new default From. If `enabled` is None, the project's mail stays switched on or off.

    With `keeps_name`, the stored display name stays, and `name` is not used.
    """

    address: Address
    name: str | None
    enabled: bool | None = None
    keeps_name: bool = False


class SenderSettings(msgspec.Struct, frozen=True):
    """The default From, and whether the project's mail is switched on."""

    address: Address
    name: str | None
    enabled: bool = True


class SenderChanged(msgspec.Struct, frozen=True):
    """The stored sender, and the version of the secret."""

    sender: SenderSettings
    version_id: str


def find_sender(project_id: ProjectId, *, ports: ConfigurationPorts, deadline: float) -> SenderSettings:
    """Read the sender without the cache.

    Raises `NotFound` if there is no sender, `ProjectSmtpDisabled`, `ProjectSmtpInvalid` and `SecretsUnavailable`.
    """
    sender = _sender(read_stored(project_id, ports, deadline))
    if sender is None:
        raise NotFound
    return sender


def store_sender(
    project_id: ProjectId, sender: SenderChange, *, must_exist: bool, ports: ConfigurationPorts, deadline: float
) -> SenderChanged | Refused:
    """Store the project's sender; raises `ConfigurationChanged` and the errors of `find_sender`.

    If `must_exist` is false, `NotFound` is not raised.
    """
    stored = read_stored(project_id, ports, deadline)
    before = _sender(stored) if must_exist or sender.keeps_name else None
    if must_exist and before is None:
        raise NotFound
    name = before.name if before is not None and sender.keeps_name else sender.name
    changes: dict[str, object] = {names.FROM_ADDRESS: str(sender.address), names.FROM_NAME: name}
    if sender.enabled is not None:
        changes[names.ENABLED] = None if sender.enabled else _OFF
    text = with_entries(stored.text if stored is not None else None, changes)
    if isinstance(text, Problem):
        raise ProjectSmtpInvalid((text,))
    parsed, is_switched_on = parse_switched_on(text.reveal(), ports.settings.relay_policy)
    report = verify(project_id, parsed, ports, deadline, only=None if is_switched_on else NO_PROBE)
    if isinstance(report, Refused):
        return report
    version_id = promote(project_id, text, stored, ports, forgets=False)
    ports.validations.send([project_id])
    return SenderChanged(SenderSettings(sender.address, name, is_switched_on), version_id)


def _sender(stored: SecretPresent | None) -> SenderSettings | None:
    entries = decode(stored.text.reveal()) if stored is not None else {}
    if isinstance(entries, Problem):
        raise ProjectSmtpInvalid((entries,))
    address, name, enabled = (entries.get(key) for key in (names.FROM_ADDRESS, names.FROM_NAME, names.ENABLED))
    if not isinstance(address, str):
        return None
    try:
        mailbox = parse_mailbox(address)
    except InvalidAddress as invalid:
        raise ProjectSmtpInvalid((Problem(invalid.code, invalid.detail, entry=names.FROM_ADDRESS),)) from None
    is_on = str(True if enabled is None else enabled).strip().lower() == "true"
    return SenderSettings(mailbox.address, name if isinstance(name, str) else mailbox.display_name, is_on)
