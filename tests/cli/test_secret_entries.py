"""The command line knows which entries and members are secrets; it cannot import the service's tables."""

from mailer.secret import names
from mailer.secret.entry_table import SECRETS
from mailer.secret.provider.registry import KINDS
from project_smtp_cli.importing import imported


def test_the_cli_hides_the_entries_that_the_service_hides() -> None:
    # The CLI describes the list of providers member by member.
    assert set(SECRETS) - {names.PROVIDERS} == imported._HIDDEN_ENTRIES


def test_the_cli_hides_the_members_that_the_service_hides() -> None:
    secrets = {member.name for kind in KINDS.values() for member in kind.members if member.is_secret}

    assert {name.rpartition(".")[2] for name in secrets} == imported._HIDDEN_MEMBERS
