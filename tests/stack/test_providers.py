"""A project's providers on the embedded stack: added, changed and removed over the API, and used in their order."""

import pytest

from local.client import call, find
from tests.stack.test_configuration import Project
from tests.support.embedded import Running


@pytest.fixture
def project(embedded_stack: Running) -> Project:
    return Project(embedded_stack)


def relay(project: Project, **changes: object) -> dict[str, object]:
    """The stack's relay as a provider's configuration."""
    entries = project.entries()
    return {
        "host": entries["smtpHost"],
        "port": entries["smtpPort"],
        "auth": {"user": entries["smtpUsername"], "pass": entries["smtpPassword"]},
        "tls": {"ca": entries["smtpCaCertificate"]},
        **changes,
    }


def provider(project: Project, **changes: object) -> dict[str, object]:
    return {"provider": "smtp", "name": "Relay", "priority": 1, "config": relay(project), **changes}


def test_P4_P5_P7_providers_take_the_project_s_mail_in_their_order(project: Project) -> None:
    project.put()
    first = project.ask("POST", "/providers", provider(project, priority=0))
    assert first.status == 201, first.body
    assert find(first.body, "config", "auth", "pass") == {"set": True}

    assert project.comes_to("verified")
    trial = project.ask("POST", "/test", {"to": "ada@example.com"})
    assert (trial.status, trial.text("transport")) == (200, "project-smtp")
    checks = project.ask("POST", "/validate").body
    assert find(checks, "valid") is True
    assert find(checks, "checks", 2, "provider") == first.text("id")

    removed = project.ask("DELETE", f"/providers/{first.text('id')}")
    assert (removed.status, project.labels()) == (200, ["AWSCURRENT"])
    assert find(project.ask("GET", "/providers").body, "providers") == []


def test_a_provider_that_is_refused_changes_nothing(project: Project) -> None:
    before = project.put().text("version_id")

    refused = project.ask(
        "POST", "/providers", provider(project, config=relay(project, auth={"user": "x", "pass": "y"}))
    )

    assert (refused.status, refused.text("code")) == (424, "relay-auth-rejected")
    assert project.ask("GET").text("version_id") == before


def test_SH7_a_stored_password_goes_to_no_other_host(project: Project) -> None:
    project.put()
    id = project.ask("POST", "/providers", provider(project)).text("id")
    config = {**relay(project, host="mail.evil.example"), "auth": {"user": find(project.entries(), "smtpUsername")}}

    refused = project.ask("PUT", f"/providers/{id}", {"config": config})

    assert (refused.status, find(refused.body, "problems", 0, "code")) == (400, "entry-not-kept")


def test_schemas_are_shown_without_a_project(project: Project) -> None:
    stack = project.stack.stack
    answer = call("GET", f"{stack.api_url}/v1/provider-schemas/ses", token=stack.tokens["acme"])

    assert (answer.status, find(answer.body, "properties", "secretAccessKey", "writeOnly")) == (200, True)
