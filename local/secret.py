"""The template's own secrets. moto's CloudFormation has no secrets, so the stack creates them itself."""

import secrets
from collections.abc import Mapping
from typing import Any

from local.template import mapping

SECRET_TYPE = "AWS::SecretsManager::Secret"  # noqa: S105 -- a type of resources


# boto3's clients have no static types.
def with_created_secrets(translated: Mapping[str, object], secrets_manager: Any, *, stack: str) -> dict[str, object]:
    """Create the secrets of a translated template, and return the template with their ARNs instead of references."""
    resources = mapping(translated["Resources"])
    arns: dict[str, str] = {}
    for name, resource in resources.items():
        properties = mapping(mapping(resource).get("Properties", {}))
        if mapping(resource)["Type"] == SECRET_TYPE:
            rules = mapping(properties["GenerateSecretString"])
            generated = secrets_manager.get_random_password(**rules)["RandomPassword"]
            unique = f"{stack}-{name}-{secrets.token_hex(6)}"
            arns[name] = secrets_manager.create_secret(Name=unique, SecretString=generated)["ARN"]
    kept = {name: resource for name, resource in resources.items() if name not in arns}
    return mapping(_with_arns({**translated, "Resources": kept}, arns))


def _with_arns(node: object, arns: Mapping[str, str]) -> object:
    match node:
        case {"Ref": str(name)} if name in arns:
            return arns[name]
        case dict():
            return {key: _with_arns(value, arns) for key, value in node.items()}
        case list():
            return [_with_arns(item, arns) for item in node]
        case _:
            return node
