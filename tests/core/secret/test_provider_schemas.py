"""The schemas of providers agree with the parser."""

import pytest
from mailer.relay.provider import ProviderKind
from mailer.secret.provider.kind import Kind
from mailer.secret.provider.registry import KINDS as ALL_KINDS
from mailer.secret.provider.schema import PROVIDER_SCHEMAS

from tests.core.provider_texts import CONFIGS, faults, item, only_provider, secret
from tests.support.sam_template import mapping

KINDS = sorted(CONFIGS)


def properties(kind: str) -> dict[str, dict[str, object]]:
    """Return the members of a schema by their dotted names."""
    leaves: dict[str, dict[str, object]] = {}
    for name, schema in mapping(PROVIDER_SCHEMAS[kind]["properties"]).items():
        described = dict(mapping(schema))
        if described["type"] == "object":
            leaves |= {
                f"{name}.{inner}": dict(mapping(leaf)) for inner, leaf in mapping(described["properties"]).items()
            }
        else:
            leaves[name] = described
    return leaves


def test_each_provider_kind_has_a_schema() -> None:
    assert PROVIDER_SCHEMAS.keys() == {kind.value for kind in ProviderKind}


def test_each_provider_kind_is_registered() -> None:
    assert ALL_KINDS.keys() == set(ProviderKind)


@pytest.mark.parametrize("kind", ALL_KINDS.values(), ids=lambda kind: kind.kind)
def test_each_kind_names_its_address_and_its_secret(kind: Kind) -> None:
    members = {member.name: member for member in kind.members}

    assert members[kind.address].is_destination
    assert members[kind.secret].is_secret


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_has_exactly_the_members_of_its_kind(kind: str) -> None:
    assert set(properties(kind)) == {member.name for member in ALL_KINDS[ProviderKind(kind)].members}
    assert PROVIDER_SCHEMAS[kind]["additionalProperties"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_the_required_members_of_a_schema_are_required(kind: str) -> None:
    required = PROVIDER_SCHEMAS[kind]["required"]

    assert isinstance(required, list)
    assert faults(secret(item(kind, {}))) == sorted(
        (f"emailProviders.one.{name}", "entry-missing") for name in required
    )


@pytest.mark.parametrize("kind", KINDS)
def test_only_secrets_are_write_only(kind: str) -> None:
    hidden = {name for name, schema in properties(kind).items() if schema.get("writeOnly")}

    assert hidden <= {"auth.pass", "tls.ca", "secretAccessKey", "apiKey", "caCertificate"}
    assert hidden & {"auth.pass", "secretAccessKey", "apiKey"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_has_a_description(kind: str) -> None:
    assert all(schema["description"] and schema["type"] for schema in properties(kind).values())


@pytest.mark.parametrize(
    ("kind", "name", "choice"),
    [
        (kind, name, choice)
        for kind in KINDS
        for name, schema in properties(kind).items()
        for choice in (schema["enum"] if isinstance(schema.get("enum"), list) else [])  # type: ignore[attr-defined]
    ],
)
def test_every_choice_in_a_schema_is_accepted(kind: str, name: str, choice: str) -> None:
    assert only_provider(kind, {**CONFIGS[kind], name: choice})
