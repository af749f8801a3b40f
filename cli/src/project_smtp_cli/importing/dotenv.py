"""A reader for `.env` files that follows PHP's dotenv, but has no references to other variables."""

import re
from collections.abc import Mapping
from typing import Final

from project_smtp_cli.importing.imported import NotImportable
from project_smtp_cli.importing.json5_file import MAX_TEXT

_LINE: Final = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=[ \t]*(?P<value>.*)\Z", re.DOTALL)
_DOUBLE: Final = re.compile(r'"(?P<inner>(?:[^"\\]|\\.)*+)"\s*(?:#.*)?\Z')
_SINGLE: Final = re.compile(r"'(?P<inner>[^']*+)'\s*(?:#.*)?\Z")
_COMMENT: Final = re.compile(r"(?:\A|\s)#.*\Z")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_REFERENCE: Final = "${"


def read(text: str, prefix: str) -> Mapping[str, str]:
    """Return the variables with this prefix; raises `NotImportable`. Other lines are ignored."""
    if len(text) > MAX_TEXT:
        msg = "The file is larger than 256 KB."
        raise NotImportable(msg)
    variables: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        matched = _LINE.match(line)
        if matched is None or not matched["name"].startswith(prefix):
            continue
        if matched["name"] in variables:
            msg = f"Line {number}: {matched['name']} is set twice. Keep one of them."
            raise NotImportable(msg)
        variables[matched["name"]] = _value(matched["value"].rstrip(), number)
    return variables


def _value(written: str, number: int) -> str:
    if single := _SINGLE.match(written):
        return single["inner"]
    if written.startswith(("'", '"')):
        double = _DOUBLE.match(written)
        if double is None:
            msg = f"Line {number}: the quotation mark is not closed, or something follows it."
            raise NotImportable(msg)
        _refuse_references(double["inner"], number)
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), double["inner"])
    value = _COMMENT.sub("", written).rstrip()
    _refuse_references(value, number)
    return value


def _refuse_references(value: str, number: int) -> None:
    if _REFERENCE in value:
        msg = f"Line {number}: the value refers to another variable. Replace the reference by that variable's value."
        raise NotImportable(msg)
