"""Configuration files in JSON5: JSON with comments, trailing commas and unquoted names."""

import json
import re
from typing import Final

import json5

from project_smtp_cli.importing.imported import NotImportable

# json5 is written in Python, and reads only about 200 KB in a second.
MAX_TEXT: Final = 256 * 1024
_PLACE: Final = re.compile(r"<string>:(?P<line>\d+) .* at column (?P<column>\d+)\Z", re.DOTALL)


def read(text: str) -> object:
    """Return the value; raises `NotImportable`, whose text never quotes the file."""
    if len(text) > MAX_TEXT:
        msg = "The file is larger than 256 KB."
        raise NotImportable(msg)
    try:
        read_value = json5.loads(text, allow_duplicate_keys=False)
        # json5 reads an escaped surrogate pair as two characters. json turns the pair into one character.
        value: object = json.loads(json.dumps(read_value))
    except RecursionError:
        msg = "The file is nested too deeply."
        raise NotImportable(msg) from None
    except ValueError as error:
        raise NotImportable(_explained(str(error))) from None
    return value


def _explained(error: str) -> str:
    if error.startswith("Duplicate key"):
        return "An object of the file has the same name twice. Keep one of them."
    if place := _PLACE.match(error):
        return f"The file is not JSON: reading stopped at line {place['line']}, column {place['column']}."
    return "The file is not JSON."
