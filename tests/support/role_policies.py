"""The policies of a deployed role, as documents."""

import ast
import json
from collections.abc import Iterator
from typing import Any

from tests.support.sam_template import Mapping, mapping


# boto3 creates its clients at run time, so they have no static type.
def role_policies(iam: Any, role: str) -> Iterator[tuple[str, Mapping]]:
    """Return the role's policies by name."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield name, _parsed(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


def _parsed(document: object) -> Mapping:
    if not isinstance(document, str):
        return mapping(document)
    # moto returns inline policies as a Python literal and policy resources as JSON.
    return mapping(ast.literal_eval(document) if document.startswith("{'") else json.loads(document))
