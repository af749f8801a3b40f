"""Read the SAM template as plain mappings and lists, with short intrinsics written out."""

import functools
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]

type Mapping = dict[str, object]


def read_template() -> Mapping:
    """Return the whole document."""
    return mapping(yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8")))


def resources(template: Mapping, kind: str) -> dict[str, Mapping]:
    """Return the properties of every resource of this type, by logical id."""
    named = {name: mapping(resource) for name, resource in mapping(template["Resources"]).items()}
    return {
        name: mapping(resource.get("Properties", {})) for name, resource in named.items() if resource["Type"] == kind
    }


def mapping(node: object) -> Mapping:
    """Return the node, which must be a mapping."""
    assert isinstance(node, dict), node
    return node


def items(node: object) -> list[object]:
    """Return the node, which must be a list."""
    assert isinstance(node, list), node
    return node


def at(node: object, *path: str) -> object:
    """Return the node at a path of keys."""
    for key in path:
        node = mapping(node)[key]
    return node


def as_list(node: object) -> list[object]:
    """Return the node as a list; IAM reads a single value as a list with this value."""
    return node if isinstance(node, list) else [node]


@functools.cache
def table_definition() -> Mapping:
    """Return the properties of the ledger's table."""
    return resources(read_template(), "AWS::DynamoDB::Table")["LedgerTable"]
