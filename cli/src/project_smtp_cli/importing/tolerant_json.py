"""JSON as people write it into configuration files: comments, trailing commas, tabs inside texts.

Nothing else is tolerated, and whatever is strict JSON is read as strict JSON. Comments and trailing commas become
spaces, so that a mistake is reported where it stands in the file.
"""

import json
import re
from typing import Final

from project_smtp_cli.importing.imported import NotImportable

MAX_TEXT: Final = 1024 * 1024
_MAX_DEPTH: Final = 64
# Every character belongs to exactly one match, and nothing in it can be matched in two ways: one pass, linear time.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f]")
_TOKEN: Final = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*+"?)'
    r"|(?P<comment>//[^\n\r]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)"
    r"|(?P<space>[ \t\r\n]++)"
    r"|(?P<other>.)",
    re.DOTALL,
)


def read(text: str) -> object:
    """Return the value; raises `NotImportable`, whose text repeats nothing of the file."""
    if len(text) > MAX_TEXT:
        msg = "The file is larger than 1 MB."
        raise NotImportable(msg)
    try:
        value: object = json.loads(
            _without_comments(text.removeprefix("\ufeff")),
            strict=False,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        msg = f"The file is not JSON: reading stopped at line {error.lineno}, column {error.colno}."
        raise NotImportable(msg) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, NotImportable):
            raise
        msg = "The file is not JSON: it has a number that none is."
        raise NotImportable(msg) from None
    return value


def _without_comments(text: str) -> str:
    pieces: list[str] = []
    comma: int | None = None  # the piece that is a comma nothing has followed yet
    before = ""  # the last character that was neither space nor comment
    depth = 0
    for token in _TOKEN.finditer(text):
        piece = token[0]
        match token.lastgroup:
            case "comment":
                _check_comment(piece, text, token.start())
                piece = re.sub(r"[^\n\r]", " ", piece)
            case "space":
                pass
            case "text" if _CONTROL.search(piece):
                line = text.count("\n", 0, token.start()) + 1
                msg = f"The file is not JSON: the text that begins at line {line} is not closed there."
                raise NotImportable(msg)
            case _:
                if piece in ("]", "}") and comma is not None:
                    pieces[comma] = " "
                depth += (piece in ("[", "{")) - (piece in ("]", "}"))
                if depth > _MAX_DEPTH:
                    msg = f"The file is nested deeper than {_MAX_DEPTH} levels."
                    raise NotImportable(msg)
                # A comma after a value may turn out to be the last; one after nothing is a mistake.
                comma = len(pieces) if piece == "," and before not in ("", ",", "[", "{", ":") else None
                before = piece[-1]
        pieces.append(piece)
    return "".join(pieces)


def _check_comment(piece: str, text: str, start: int) -> None:
    if piece.startswith("/*") and (len(piece) < len("/**/") or not piece.endswith("*/")):
        line = text.count("\n", 0, start) + 1
        msg = f"The file is not JSON: the comment that begins at line {line} has no end."
        raise NotImportable(msg)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        msg = (
            "A name stands twice in one of the file's objects, and readers disagree on which counts. Keep one of them."
        )
        raise NotImportable(msg)
    return members


def _refuse_constant(_: str) -> object:
    raise ValueError
