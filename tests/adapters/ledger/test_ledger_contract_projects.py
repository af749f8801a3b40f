"""Contract tests for recorded projects: exact ids, found without regard to upper and lower case."""

from concurrent.futures import ThreadPoolExecutor

from mailer.ports import Ledger
from mailer.project import ProjectId

from tests.support.ledger_setup import ACME

UPPER = ProjectId("ACME")


def test_a_recorded_project_is_found(ledger: Ledger) -> None:
    ledger.remember_project(ACME)
    ledger.remember_project(ACME)

    assert ledger.projects_like(ACME) == (ACME,)
    assert ledger.projects_like(UPPER) == (ACME,)
    assert ledger.projects_like(ProjectId("acme2")) == ()


def test_projects_that_differ_in_case_are_recorded_side_by_side(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ledger.remember_project, (ACME, UPPER, ProjectId("Acme"), ACME)))

    assert set(ledger.projects_like(ACME)) == {ACME, UPPER, ProjectId("Acme")}
