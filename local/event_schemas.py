"""JSON Schemas of all events on the bus, in docs/events/ and in the template for EventBridge's schema registry.

The registry accepts JSON Schema Draft 4 and OpenAPI 3.0. Only Draft 4 can express that a field may be null.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from mailer.ledger.event import SOURCE, EventName, detail_type
from mailer.system_email.contract import CONTRACT
from mailer.system_email.event import EventType

type DetailType = EventType | EventName

EVERY_TYPE: Final[tuple[DetailType, ...]] = (*EventType, *EventName)
FOLDER: Final = Path("docs/events")
TEMPLATE: Final = Path("template.yaml")
_BEGIN: Final = "  # The next lines are written by `make schemas`.\n"
_END: Final = "  # End of the lines that `make schemas` writes.\n"
_BLOCK: Final = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)


def write_schemas(root: Path) -> None:
    """Write docs/events/ and the template's block of schemas again."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.json"):
        stale.unlink()
    for type_ in EVERY_TYPE:
        (folder / f"{type_}.json").write_text(render(type_), encoding="utf-8")
    template = root / TEMPLATE
    template.write_text(with_schemas(template.read_text(encoding="utf-8")), encoding="utf-8")


def render(type_: DetailType) -> str:
    """Return the text of the schema's file in docs/events/."""
    return json.dumps(schema(type_), indent=2) + "\n"


def with_schemas(template: str) -> str:
    """Return the template's text with current schemas between the two marks; raises `ValueError` without the marks."""
    block = _BEGIN + "".join(map(_resource, EVERY_TYPE)) + _END
    text, count = _BLOCK.subn(lambda _: block, template)
    if count != 1:
        msg = "The template must have the two marks of `make schemas` once."
        raise ValueError(msg)
    return text


def schema(type_: DetailType) -> Mapping[str, object]:
    """Return the schema of an event as EventBridge delivers it; its producer writes only `detail`."""
    if isinstance(type_, EventType):
        described, envelope = CONTRACT[type_].model_json_schema(), {}
    else:
        described, envelope = msgspec.json.schema(detail_type(type_)), {"source": {"enum": [SOURCE]}}
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": type_.value,
        "type": "object",
        "required": ["detail-type", "detail"],
        "properties": {
            **envelope,
            "detail-type": {"enum": [type_.value]},
            "detail": _compact(described, described.get("$defs", {})),
        },
    }


def _compact(node: object, definitions: Mapping[str, object]) -> object:
    """Replace references with their definitions; drop titles, defaults, and descriptions of enums."""
    match node:
        case {"$ref": str(reference)}:
            return _compact(definitions[reference.rpartition("/")[2]], definitions)
        case {"enum": values}:
            return {"enum": values}
        case dict():
            return {
                name: _compact(value, definitions)
                for name, value in node.items()
                if name not in ("$defs", "default") and not (name == "title" and isinstance(value, str))
            }
        case list():
            return [_compact(item, definitions) for item in node]
        case _:
            return node


def _resource(type_: DetailType) -> str:
    # In YAML, a line of JSON in single quotes needs no escapes, except that a single quote is doubled.
    content = json.dumps(schema(type_), separators=(",", ":")).replace("'", "''")
    return (
        f"  {type_}Schema:\n"
        "    Type: AWS::EventSchemas::Schema\n"
        "    Properties:\n"
        "      RegistryName: !GetAtt EventSchemaRegistry.RegistryName\n"
        f"      SchemaName: {type_}\n"
        "      Type: JSONSchemaDraft4\n"
        f"      Content: '{content}'\n"
    )
